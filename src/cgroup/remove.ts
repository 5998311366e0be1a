/** Removes the container's cgroups. */
import type { CgroupPlan } from '../plan/cgroup.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { AT, type Dir, unlink } from '../sys/file.ts'
import { sleepMs } from '../sys/signal.ts'
import { killAll } from './kill.ts'
import { ownPaths, walkTree } from './tree.ts'

/** Waits between tries, in ms: a process that was killed leaves its cgroup a little later. */
const WAITS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 400, 800]

/** @returns false if something is in the cgroup; true also if it is gone already */
export function removeDirectory(path: string, dir?: Dir): boolean {
  try {
    unlink(dir, path, AT.REMOVEDIR)
    return true
  } catch (error) {
    if (isErrno(error, E.NOENT)) return true
    if (isErrno(error, E.BUSY, E.NOTEMPTY)) return false
    throw error
  }
}

/** Processes are in a cgroup, or below it. */
export class BusyError extends Error {
  override readonly name = 'BusyError'
}

/**
 * Removes the container's cgroups with all below.
 *
 * @throws {BusyError}
 */
export function removeDirectories(plan: CgroupPlan): void {
  for (const { path } of ownPaths(plan)) removeTree(path)
}

function removeTree(path: string): void {
  if (WAITS.some((ms) => tryRemove(path, ms))) return
  throw new BusyError(`unable to remove container's cgroup: ${path} is busy`)
}

function tryRemove(path: string, waitMs: number): boolean {
  if (waitMs > 0) sleepMs(waitMs)
  // most containers have nothing below: then one rmdir is all
  if (removeDirectory(path)) return true
  walkTree(
    path,
    () => {},
    (above, name) => removeDirectory(name, above),
  )
  return removeDirectory(path)
}

/**
 * Takes back a `makeDirectories`, whose result `made` is, with the processes in them: what was there
 * before stays as it is.
 */
export function removeMade(plan: CgroupPlan, made: readonly string[]): void {
  const own = ownPaths(plan).filter(({ path }) => made.includes(path))
  killAll({ ...plan, paths: own })
  for (const path of made.toReversed()) {
    if (own.some((cgroup) => cgroup.path === path)) removeTree(path)
    else removeDirectory(path)
  }
}
