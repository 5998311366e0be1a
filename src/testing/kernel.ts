/** The kernel's side of a container, read without the program under test. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { slowness } from './slowness.ts'

function readIfAny(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    // a process may end while one looks at it
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(String((error as { code?: string }).code))) return ''
    throw error
  }
}

/** Process ids of the whole host. */
export function allPids(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger)
}

/** True while process `pid` exists and is no zombie. */
export function isRunning(pid: number): boolean {
  const state = /^State:\s+(\w)/m.exec(readIfAny(`/proc/${pid}/status`))?.[1]
  return state !== undefined && !'ZX'.includes(state)
}

/** A field of /proc/PID/status: `processStatus(7, 'CapEff')`. @see proc_pid_status(5) */
export function processStatus(pid: number | 'self', field: string): string {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${field}:`))
  if (line === undefined) throw new Error(`no ${field} in /proc/${pid}/status`)
  return line.slice(field.length + 1).trim()
}

/** Soft and hard limit as the kernel writes them. @see proc_pid_limits(5) */
export function processLimit(pid: number | 'self', name: string): { soft: string; hard: string } {
  const text = readFileSync(`/proc/${pid}/limits`, 'utf8')
  const line = text.split('\n').find((candidate) => candidate.startsWith(name))
  const [soft = '', hard = ''] = (line ?? '').slice(name.length).trim().split(/\s+/)
  return { soft, hard }
}

/** Which namespace a process is in: `pid:[4026531836]`. */
export function namespaceOf(pid: number | 'self', kind: string): string {
  return readlinkSync(`/proc/${pid}/ns/${kind}`)
}

/** Where a process is in each hierarchy, by its controllers (empty: cgroup v2). */
export function cgroupsOf(pid: number | 'self'): Map<string, string> {
  const lines = readIfAny(`/proc/${pid}/cgroup`).split('\n').filter(Boolean)
  return new Map(
    lines.map((line) => {
      const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
      return [controllers, path]
    }),
  )
}

/** One line of /proc/PID/mountinfo. @see proc_pid_mountinfo(5) */
export interface MountLine {
  readonly id: number
  readonly parent: number
  readonly root: string
  readonly target: string
  readonly options: readonly string[]
  /** `shared:1`, `master:2`, `unbindable`. */
  readonly propagation: readonly string[]
  readonly type: string
  readonly source: string
  readonly superOptions: readonly string[]
}

/** The mounts that a process sees. */
export function mountsOf(pid: number | 'self'): MountLine[] {
  return readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n').filter(Boolean).map(parseMount)
}

function parseMount(line: string): MountLine {
  const [before = '', after = ''] = line.split(' - ')
  const [id, parent, , root = '', target = '', options = '', ...propagation] = before.split(' ')
  const [type = '', source = '', superOptions = ''] = after.split(' ')
  return {
    id: Number(id),
    parent: Number(parent),
    root: unescapeOctal(root),
    target: unescapeOctal(target),
    options: options.split(','),
    propagation,
    type,
    source: unescapeOctal(source),
    superOptions: superOptions.split(','),
  }
}

/** Spaces and the like stand in mountinfo as `\040`. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
}

/** Mount points at or below `dir` in the mount namespace of the test. */
export function mountsBelow(dir: string): string[] {
  const targets = mountsOf('self').map(({ target }) => target)
  return targets.filter((target) => target === dir || target.startsWith(`${dir}/`))
}

const CGROUP_ROOT = '/sys/fs/cgroup'

/** Where containers without cgroupsPath get their directories: each hierarchy, own cgroup. */
function cgroupParents(): string[] {
  const own = [...cgroupsOf('self')]
  const hierarchies = mountsOf('self').filter(
    ({ type, target }) => /^cgroup2?$/.test(type) && target.startsWith(CGROUP_ROOT),
  )
  return hierarchies.flatMap(({ type, target, superOptions }) => {
    const matches = own.filter(([controllers]) =>
      type === 'cgroup2'
        ? controllers === ''
        : controllers !== '' && controllers.split(',').every((c) => superOptions.includes(c)),
    )
    // in version 2 beside the own one, which has processes and so cannot have children with limits
    const paths = matches.flatMap(([, path]) =>
      type === 'cgroup2' ? [path, dirname(path)] : [path],
    )
    return [target, ...paths.map((path) => `${target}${path === '/' ? '' : path}`)]
  })
}

/** Directories of cgroups whose name contains `word`, in every hierarchy. */
export function cgroupsNamed(word: string): string[] {
  const parents = new Set(cgroupParents())
  return [...parents].flatMap((parent) =>
    entriesIfAny(parent)
      .filter((name) => name.includes(word))
      .map((name) => `${parent}/${name}`),
  )
}

function entriesIfAny(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}

/** Processes, other than the test itself, whose cgroup or command line contains `word`. */
export function processesNaming(word: string): number[] {
  return allPids().filter(
    (pid) =>
      pid !== process.pid &&
      (readIfAny(`/proc/${pid}/cgroup`).includes(word) ||
        readIfAny(`/proc/${pid}/cmdline`).includes(word)) &&
      isRunning(pid),
  )
}

/**
 * Calls `probe` every 5 ms until it gives something.
 *
 * @throws {Error} after `limitMs`; later on slow machines
 */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false,
  limitMs = 5000,
): Promise<T> {
  const limit = limitMs * slowness()
  const start = performance.now()
  for (;;) {
    const found = probe()
    if (found !== undefined && found !== false) return found
    if (performance.now() - start > limit) throw new Error(`${what}: not after ${limit} ms`)
    await new Promise((done) => setTimeout(done, 5))
  }
}
