/** A bundle of its own for a test, which sees to it that nothing of the containers is left. */
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Spec } from '../../spec/generated/config.ts'
import { specTemplate } from '../bundle/template.ts'
import {
  launch,
  type Outcome,
  programPath,
  type Running,
  type RunOptions,
  run,
  shell,
} from './cli.ts'
import { cgroupsNamed, eventually, mountsBelow, processesNaming } from './kernel.ts'
import { busyboxPath } from './needs.ts'

let applets: string[] | undefined

/** Names of the commands that this host's busybox has. */
function appletsOf(busybox: string): string[] {
  applets ??= execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n')
  return applets.filter((name) => name !== 'busybox')
}

type Defined<T> = { [K in keyof T]-?: NonNullable<T[K]> }

/** A configuration with the objects that tests change always there. */
export type TestSpec = Omit<Spec, 'process' | 'linux' | 'mounts' | 'root'> & {
  process: NonNullable<Spec['process']> &
    Defined<Pick<NonNullable<Spec['process']>, 'env' | 'user'>>
  linux: NonNullable<Spec['linux']> & Defined<Pick<NonNullable<Spec['linux']>, 'namespaces'>>
  mounts: NonNullable<Spec['mounts']>
  root: NonNullable<Spec['root']>
}

export interface BundleOptions {
  /** The program of the container; `sleep 1000` if not given. */
  readonly args?: readonly string[]
  /** Changes the configuration, which starts as what `tsrun spec` writes, without a terminal. */
  readonly configure?: (spec: TestSpec) => void
  /** Text of config.json instead. */
  readonly configText?: string
  /** Changes the file tree; `rootfs` is its absolute path. */
  readonly populate?: (rootfs: string) => void
}

export interface TestBundle {
  /** The bundle's directory, absolute, without symlinks. */
  readonly dir: string
  readonly rootfs: string
  /** The state root, which the first container makes. */
  readonly root: string
  /** An id for a container; others of the test must begin with it. */
  readonly id: string
  /** Runs the program with --root, in the bundle's directory. */
  tsrun(...args: string[]): Promise<Outcome>
  /** The same, with an environment, input, another directory. */
  tsrunWith(options: RunOptions, ...args: string[]): Promise<Outcome>
  /** Starts it without waiting. */
  launch(...args: string[]): Running
  /** Runs a shell script in the bundle's directory; `$TSRUN`, `$ROOT`, `$ID` are there. */
  shell(script: string, options?: RunOptions): Promise<Outcome>
  /** Writes another config.json, starting from the test's own. */
  reconfigure(change: (spec: TestSpec) => void): void
  /** The state as the program tells it. @throws {Error} if there is none */
  state(id?: string): Promise<ContainerState>
}

/** What `tsrun state` prints. */
export interface ContainerState {
  readonly ociVersion: string
  readonly id: string
  readonly pid: number
  readonly status: string
  readonly bundle: string
  readonly rootfs: string
  readonly created: string
  readonly owner: string
  readonly annotations?: Record<string, string>
}

/** The part of a tap test that a bundle needs. */
export interface Teardown {
  teardown(action: () => Promise<void>): void
}

let count = 0

/** What `tsrun spec` writes, without a terminal and with a program that waits. */
export function baseSpec(): TestSpec {
  const spec = specTemplate({ hasCgroup2Only: false, rootless: undefined }) as TestSpec
  spec.process.terminal = false
  spec.process.args = ['sleep', '1000']
  return spec
}

/**
 * Makes a bundle with a busybox file tree. When the test ends its containers are deleted; the test
 * fails if then a mount, a cgroup, a process or a state directory of them is left.
 */
export async function withBundle(t: Teardown, options: BundleOptions = {}): Promise<TestBundle> {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), `tsrun-bundle-${process.pid}-`)))
  // the letter at the end keeps one id from being the beginning of another
  const id = `tsrun-test-${process.pid}-${++count}x`
  const root = join(dir, 'state')
  const rootfs = join(dir, 'rootfs')
  makeRootfs(rootfs)
  options.populate?.(rootfs)
  const spec = baseSpec()
  if (options.args) spec.process.args = [...options.args]
  options.configure?.(spec)
  const config = join(dir, 'config.json')
  writeFileSync(config, options.configText ?? JSON.stringify(spec, null, '\t'))
  t.teardown(() => tearDown(dir, root, id))

  const tsrunWith = (more: RunOptions, ...args: string[]): Promise<Outcome> =>
    run([programPath(), '--root', root, ...args], { cwd: dir, ...more })
  return {
    dir,
    rootfs,
    root,
    id,
    tsrun: (...args) => tsrunWith({}, ...args),
    tsrunWith,
    launch: (...args) => launch([programPath(), '--root', root, ...args], { cwd: dir }),
    shell: (script, more = {}) =>
      run(shell(script), {
        cwd: dir,
        ...more,
        env: { ...(more.env ?? process.env), ROOT: root, ID: id },
      }),
    reconfigure(change) {
      const changed = structuredClone(spec)
      change(changed)
      writeFileSync(config, JSON.stringify(changed, null, '\t'))
    },
    async state(other = id) {
      const { code, stdout, stderr } = await tsrunWith({}, 'state', other)
      if (code !== 0) throw new Error(`state: ${stderr}`)
      return JSON.parse(stdout) as ContainerState
    },
  }
}

function makeRootfs(rootfs: string): void {
  for (const name of ['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp']) {
    mkdirSync(join(rootfs, name), { recursive: true })
  }
  const busybox = busyboxPath()
  if (busybox === undefined) throw new Error('this host has no busybox')
  copyFileSync(busybox, join(rootfs, 'bin/busybox'))
  for (const applet of appletsOf(busybox)) symlinkSync('busybox', join(rootfs, 'bin', applet))
}

/** Names of the containers below a state root; none if there is no root. Of an id `@` is no part. */
export function containersBelow(root: string): string[] {
  return existsSync(root) ? readdirSync(root).filter((name) => !name.startsWith('@')) : []
}

/** What is left of containers whose ids begin with `id`: nothing, when all is well. */
export function leftovers(dir: string, root: string, id: string): string[] {
  return [
    ...mountsBelow(dir).map((path) => `mount ${path}`),
    ...cgroupsNamed(id).map((path) => `cgroup ${path}`),
    ...processesNaming(id).map((pid) => `process ${pid}`),
    ...containersBelow(root).map((name) => `state ${name}`),
  ]
}

/** Takes away what the program has left, so that one failure does not become several. */
async function clear(id: string): Promise<void> {
  for (const pid of processesNaming(id)) process.kill(pid, 'SIGKILL')
  await eventually('processes end', () => processesNaming(id).length === 0).catch(() => {})
  for (const path of cgroupsNamed(id)) {
    try {
      rmdirSync(path)
    } catch {
      // it is reported already
    }
  }
}

async function tearDown(dir: string, root: string, id: string): Promise<void> {
  const failures: string[] = []
  for (const name of containersBelow(root)) {
    const { code, stderr } = await run([programPath(), '--root', root, 'delete', '-f', name])
    if (code !== 0) failures.push(`delete ${name}: ${stderr}`)
  }
  // a killed process may take a moment to disappear
  await eventually('nothing left', () => leftovers(dir, root, id).length === 0, 1000).catch(() => {
    failures.push(...leftovers(dir, root, id))
  })
  if (failures.length > 0) await clear(id)
  if (mountsBelow(dir).length === 0) rmSync(dir, { recursive: true, force: true })
  if (failures.length > 0) throw new Error(`left behind:\n${failures.join('\n')}`)
}

/** Makes a bundle. @returns what runs it with another program and a changed configuration */
export async function runner(
  t: Teardown,
  options?: BundleOptions,
): Promise<(args: string[], change?: (spec: TestSpec) => void) => Promise<Outcome>> {
  const b = await withBundle(t, options)
  return (args, change) => {
    b.reconfigure((spec) => {
      spec.process.args = args
      change?.(spec)
    })
    return b.tsrun('run', b.id)
  }
}

/** Empty until the program is executed. @see proc_pid_cmdline(5) */
function commandLine(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
}

/** Starts a container that sleeps, with its configuration changed. @returns its process id */
export async function running(b: TestBundle, change: (spec: TestSpec) => void): Promise<number> {
  b.reconfigure(change)
  await b.tsrun('delete', '--force', b.id)
  const { code, stderr } = await b.tsrun('run', '-d', b.id)
  if (code !== 0 || stderr !== '') throw new Error(stderr)
  const { pid } = await b.state()
  await eventually('its program is executed', () => commandLine(pid) !== '')
  return pid
}
