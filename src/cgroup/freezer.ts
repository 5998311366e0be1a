/** Stops and resumes all of a container's processes at once. */
import { ContainerError } from '../base/errors.ts'
import type { CgroupPlan } from '../plan/cgroup.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { type Dir, writeFile } from '../sys/file.ts'
import { sleepMs } from '../sys/signal.ts'
import { ownPaths, readIfAny, walkTree } from './tree.ts'

/** How long the processes may take to stop, in ms. */
const LIMIT_MS = 10_000

/** How a hierarchy freezes. */
interface Freezer {
  readonly file: string
  readonly frozen: string
  readonly thawed: string
}

/** @see the kernel's admin-guide/cgroup-v1/freezer-subsystem */
const V1: Freezer = { file: 'freezer.state', frozen: 'FROZEN', thawed: 'THAWED' }
/** @see the kernel's admin-guide/cgroup-v2, "cgroup.freeze" (Linux 5.2) */
const V2: Freezer = { file: 'cgroup.freeze', frozen: '1', thawed: '0' }

/** True if the cgroup at `path` has been told to freeze, by whichever kind of freezer it has. */
export function isFrozen(path: string): boolean {
  return (
    /^FROZEN|^FREEZING/.test(readIfAny(`${path}/${V1.file}`)) ||
    readIfAny(`${path}/${V2.file}`).trim() === V2.frozen
  )
}

function freezerOf(plan: CgroupPlan): { path: string; freezer: Freezer } | undefined {
  const own = ownPaths(plan)
  const v1 = own.find(({ controllers }) => controllers.split(',').includes('freezer'))
  if (v1 !== undefined) return { path: v1.path, freezer: V1 }
  const v2 = own.find(({ controllers }) => controllers === '')
  return v2 && { path: v2.path, freezer: V2 }
}

/** True if the container's freezer has stopped it. */
export function isPaused(plan: CgroupPlan): boolean {
  const found = freezerOf(plan)
  return found !== undefined && isFrozen(found.path)
}

/**
 * Stops every process of the container.
 *
 * @throws {ContainerError} when they do not stop in 10 s, or there is no freezer; they run then
 */
export function freeze(plan: CgroupPlan): void {
  const found = freezerOf(plan)
  if (found === undefined) {
    throw new ContainerError('failed', 'cannot pause: the container has no freezer cgroup')
  }
  const { path, freezer } = found
  try {
    for (let waited = 0; waited <= LIMIT_MS; waited++) {
      // v1 can hang while a process forks, until it is told once more
      if (waited % 50 === 0) writeFile(undefined, `${path}/${freezer.file}`, freezer.frozen)
      if (isStopped(path, freezer)) return
      sleepMs(1)
    }
    throw new ContainerError('failed', `unable to freeze: timeout after ${LIMIT_MS / 1000} s`)
  } catch (error) {
    thaw(plan)
    throw error
  }
}

function isStopped(path: string, freezer: Freezer): boolean {
  return freezer === V1
    ? readIfAny(`${path}/${V1.file}`).trim() === V1.frozen
    : /^frozen 1$/m.test(readIfAny(`${path}/cgroup.events`))
}

/** Lets frozen processes run: on v1 they do not even die of SIGKILL. */
export function thaw(plan: CgroupPlan): void {
  const found = freezerOf(plan)
  if (found === undefined) return
  const { path, freezer } = found
  if (isFrozen(path)) writeIfAny(undefined, { ...freezer, file: `${path}/${freezer.file}` })
}

function writeIfAny(dir: Dir, { file, thawed }: Freezer): void {
  try {
    writeFile(dir, file, thawed)
  } catch (error) {
    if (!isErrno(error, E.NOENT, E.NODEV)) throw error
  }
}

/**
 * As `thaw`, with every cgroup below. On cgroup v1 a process in one that is frozen does not die; on
 * v2 it does.
 */
export function thawTree(plan: CgroupPlan): void {
  const found = freezerOf(plan)
  if (found === undefined) return
  if (found.freezer === V2) {
    thaw(plan)
    return
  }
  walkTree(found.path, (directory) => {
    if (readIfAny(V1.file, directory).trim() === V1.thawed) return
    writeIfAny(directory, V1)
  })
}
