/** Writes limits into a container's cgroups. What, and in which order, `plan/resources` says. */
import { messageOf, StepError } from '../base/errors.ts'
import type { CgroupPlan } from '../plan/cgroup.ts'
import type { CgroupWrite } from '../plan/resources/cgroup-write.ts'
import { check, isErrno, retry } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { O, open, readText } from '../sys/file.ts'
import { str } from '../sys/memory.ts'
import { NR } from '../sys/numbers.ts'

/** How much of a cgroup's file is read: those read here hold a number, or a few words. */
const LARGEST_READ = 4096

/**
 * Makes the writes one after the other; the first that fails ends it, and what was written stays.
 * The freezer is not touched: a container that is paused stays so.
 *
 * @param plan - the container's cgroups, which exist; on cgroup v2 with their controllers enabled
 * @throws {StepError} with the place in the configuration, and the failed call as `cause`
 */
export function applyResources(plan: CgroupPlan, writes: readonly CgroupWrite[]): void {
  using directories = new Directories(plan)
  for (const write of writes) refuseBelowUsage(write, directories)
  for (let start = 0; start < writes.length; ) {
    const controller = writes[start]?.controller
    let end = start
    while (writes[end]?.controller === controller) end++
    applyRun(writes.slice(start, end), directories)
    start = end
  }
}

/** The container's directories, opened when first asked for. */
class Directories implements Disposable {
  readonly #plan: CgroupPlan
  readonly #opened = new Map<string, Fd>()
  readonly isV2: boolean

  constructor(plan: CgroupPlan) {
    this.#plan = plan
    this.isV2 = plan.mode === 'v2'
  }

  /** Where the files of `controller` are. Undefined: the container has no cgroup there. */
  of(controller: string): Fd | undefined {
    const found = this.#plan.paths.find(({ controllers, path, mountPoint }) => {
      const isHere = this.isV2 ? controllers === '' : controllers.split(',').includes(controller)
      // the root of a hierarchy is never the container's
      return isHere && path !== mountPoint
    })
    if (found === undefined) return undefined
    const known = this.#opened.get(found.path)
    if (known !== undefined) return known
    try {
      const fd = open(undefined, found.path, O.PATH | O.DIRECTORY | O.NOFOLLOW)
      this.#opened.set(found.path, fd)
      return fd
    } catch (error) {
      if (isErrno(error, E.NOENT)) return undefined
      throw error
    }
  }

  [Symbol.dispose](): void {
    for (const fd of this.#opened.values()) fd.close()
  }
}

/** Lowering a limit below what is in use would end the container: not with checkBeforeUpdate. */
function refuseBelowUsage(write: CgroupWrite, directories: Directories): void {
  if (write.aboveUsage === undefined) return
  const dir = directories.of(write.controller)
  const usage = dir && readIfAny(dir, 'memory.current')
  if (usage === undefined) return
  const { name, bytes } = write.aboveUsage
  if (BigInt(bytes) > BigInt(usage)) return
  throw failed(write, `rejecting ${name} ${bytes} <= usage ${usage}`)
}

/** What one controller is given. */
function applyRun(writes: readonly CgroupWrite[], directories: Directories): void {
  const later: CgroupWrite[] = []
  for (const write of writes) {
    const error = tryWrite(write, directories)
    if (error === undefined) continue
    if (write.isDeferred !== true || !isErrno(error.cause, E.INVAL)) throw error
    later.push(write)
  }
  for (const write of later) {
    const error = tryWrite(write, directories)
    if (error !== undefined) throw error
  }
}

function tryWrite(write: CgroupWrite, directories: Directories): StepError | undefined {
  const dir = directories.of(write.controller)
  if (dir === undefined) {
    return write.isOptional ? undefined : failed(write, withoutCgroup(write.controller))
  }
  try {
    put(dir, write)
    return undefined
  } catch (error) {
    return explain(error, write, dir, directories.isV2)
  }
}

function withoutCgroup(controller: string): string {
  return `cannot set ${controller} limit: container could not join or create cgroup`
}

function put(dir: Fd, write: CgroupWrite): void {
  const { otherwise } = write
  try {
    putValue(dir, write)
  } catch (error) {
    if (otherwise === undefined || !isErrno(error, E.NOENT)) throw error
    putValue(dir, { ...write, ...otherwise })
  }
  if (write.file === 'cpu.shares') expectShares(dir, BigInt(write.value))
}

function putValue(dir: Fd, { file, value, isUnified }: CgroupWrite): void {
  using fd = open(dir, file, O.WRONLY | O.NOFOLLOW)
  // kernel files take one setting a write: io.max a device
  const lines = isUnified ? value.split('\n').filter((line) => line !== '') : [value]
  // a newline alone is the empty value, which resets some: cpuset.cpus
  for (const line of lines.length === 0 ? ['\n'] : lines) {
    const length = Buffer.byteLength(line)
    check(
      'write',
      fd.label,
      retry(() => S(NR.write, fd.number, str(line), length)),
    )
  }
}

/** The kernel takes any number and makes one of it that it can use. */
function expectShares(dir: Fd, wanted: bigint): void {
  const taken = BigInt(readIfAny(dir, 'cpu.shares') ?? wanted)
  if (taken === wanted) return
  throw new Error(`the ${wanted > taken ? 'maximum' : 'minimum'} allowed cpu-shares is ${taken}`)
}

function readIfAny(dir: Fd, file: string): string | undefined {
  try {
    using fd = open(dir, file, O.RDONLY | O.NOFOLLOW)
    return readText(fd, LARGEST_READ).trim()
  } catch (error) {
    if (isErrno(error, E.NOENT)) return undefined
    throw error
  }
}

function failed(write: CgroupWrite, message: string, cause?: unknown): StepError {
  return new StepError('resources', write.pointer, message, cause)
}

/** The error for a write that failed; undefined if nothing is lost by it. */
function explain(
  error: unknown,
  write: CgroupWrite,
  dir: Fd,
  isV2: boolean,
): StepError | undefined {
  const { controller, file, value, isUnified } = write
  const key = JSON.stringify(file)
  if (isErrno(error, E.NOENT) && error.syscall === 'open') {
    if (write.isOptional) return undefined
    if (isV2 && isMissing(controller, dir)) {
      const what = isUnified
        ? `unified resource ${key} can't be set`
        : `cannot set ${controller} limit`
      return failed(write, `${what}: controller ${JSON.stringify(controller)} not available`, error)
    }
  }
  if (isErrno(error, E.BUSY) && file === 'memory.limit_in_bytes') {
    const usage = readIfAny(dir, 'memory.usage_in_bytes')
    const peak = readIfAny(dir, 'memory.max_usage_in_bytes')
    const text = `unable to set memory limit to ${value} (current usage: ${usage}, peak usage: ${peak})`
    return failed(write, text, error)
  }
  const what = isUnified ? `unified resource ${key}` : `${file} to ${value}`
  return failed(write, `unable to set ${what}: ${messageOf(error)}`, error)
}

/** True if cgroup v2 has no such controller here. */
function isMissing(controller: string, dir: Fd): boolean {
  if (controller === 'cgroup') return false
  return !(readIfAny(dir, 'cgroup.controllers') ?? '').split(' ').includes(controller)
}
