/** The container's cgroups as directories: whether they are free, making them, entering them. */
import { ContainerError, messageOf } from '../base/errors.ts'
import { parentPath } from '../base/paths.ts'
import type { CgroupPath, CgroupPlan } from '../plan/cgroup.ts'
import { check, isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { flock, fstat, LOCK, mkdir, O, open, readFile, statIfAny, writeFile } from '../sys/file.ts'
import { str } from '../sys/memory.ts'
import { NR } from '../sys/numbers.ts'
import { sleepMs } from '../sys/signal.ts'
import { enableControllers, joinThreadedMode } from './controllers.ts'
import { isFrozen } from './freezer.ts'
import { parseProcCgroup } from './probe.ts'
import { removeDirectory } from './remove.ts'
import { countProcesses, ownPaths } from './tree.ts'

/**
 * Makes sure that the container's cgroups are free: absent, or thawed and without a process in them
 * and below. What is in them from now on is the container's, and goes with it (M-072).
 *
 * @throws {ContainerError} `busy`
 */
export function expectIdle({ paths }: Pick<CgroupPlan, 'paths'>): void {
  for (const { path } of paths) {
    const count = countProcesses(path)
    if (count === undefined) continue
    if (count > 0) throw busy(`is not empty: ${count} process(es) found`)
    if (isFrozen(path)) throw busy('unexpectedly frozen')
  }
}

function busy(what: string): ContainerError {
  return new ContainerError('busy', `container's cgroup ${what}`)
}

/** Directories that are the container's. */
export interface MadeDirectories {
  /** Those that were not there before, the uppermost first. */
  readonly made: readonly string[]
  /** Of the first one that is the container's own: whoever finds another one there looks at another cgroup. */
  readonly inode: number
}

/**
 * Makes the container's directories, which `expectIdle` has found free, and keeps others that make
 * a container in them away for as long as this process lives.
 *
 * @param options - `needsDomain`: limits are wanted that a threaded cgroup does not take;
 *   `isOccupied`: the container's process is there already
 * @throws {ContainerError} `busy` if another container is being made there, and others; what was made
 *   is removed then
 */
export function makeDirectories(
  plan: CgroupPlan,
  { needsDomain, isOccupied }: { needsDomain: boolean; isOccupied: boolean },
): MadeDirectories {
  const made: string[] = []
  let inode = 0
  try {
    for (const cgroup of ownPaths(plan)) {
      if (inode === 0) inode = claim(cgroup, isOccupied, made)
      else makePath(cgroup, cgroup.path, made)
      if (plan.mode === 'v2') passControllersOn(cgroup, made, needsDomain)
    }
    return { made, inode }
  } catch (error) {
    for (const path of made.reverse()) removeDirectory(path)
    throw error
  }
}

/**
 * Makes the directory, locks it for this process, and makes sure that it is free unless that is known.
 *
 * @param made - what was missing is added
 * @returns its inode number
 */
function claim(cgroup: CgroupPath, isOccupied: boolean, made: string[]): number {
  for (;;) {
    makePath(cgroup, cgroup.path, made)
    // never closed: the lock ends with this process
    const directory = openIfThere(cgroup.path)
    if (directory === undefined) continue
    try {
      flock(directory, LOCK.EX | LOCK.NB)
    } catch (error) {
      if (!isErrno(error, E.AGAIN)) throw error
      // whoever was faster uses what was made here
      made.length = 0
      throw busy('is not empty: another container is being created in it')
    }
    const { ino } = fstat(directory)
    // whoever held the lock may have removed it
    if (statIfAny(undefined, cgroup.path)?.ino !== ino) {
      directory.close()
      continue
    }
    // who made it meanwhile may have filled it before the lock
    if (!isOccupied) expectIdle({ paths: [cgroup] })
    return ino
  }
}

function openIfThere(path: string): Fd | undefined {
  try {
    return open(undefined, path, O.RDONLY | O.DIRECTORY)
  } catch (error) {
    if (isErrno(error, E.NOENT)) return undefined
    throw error
  }
}

/** Makes `path`, and what is missing above it. */
function makePath(cgroup: CgroupPath, path: string, made: string[]): void {
  for (;;) {
    try {
      mkdir(undefined, path, 0o755)
      break
    } catch (error) {
      if (isErrno(error, E.EXIST)) return
      if (!isErrno(error, E.NOENT) || path === cgroup.mountPoint) {
        throw new Error(`unable to apply cgroup configuration: ${messageOf(error)}`, {
          cause: error,
        })
      }
      makePath(cgroup, parentPath(path), made)
    }
  }
  made.push(path)
  fillCpuset(cgroup, path)
}

/** From the root of the hierarchy down to the container, so that it has every controller. */
function passControllersOn(
  { path, mountPoint }: CgroupPath,
  made: readonly string[],
  needsDomain: boolean,
): void {
  const below = path.slice(mountPoint.length).split('/').filter(Boolean)
  let at = mountPoint
  for (const name of below) {
    enableControllers(at)
    at += `/${name}`
    if (made.includes(at)) joinThreadedMode(at, needsDomain)
  }
}

/** A v1 cpuset takes no process until it has CPUs and memory nodes: those of its parent. */
function fillCpuset(cgroup: CgroupPath, path: string): void {
  if (!cgroup.controllers.split(',').includes('cpuset')) return
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (readFile(undefined, `${path}/${file}`).trim() !== '') continue
    const inherited = readFile(undefined, `${parentPath(path)}/${file}`).trim()
    if (inherited !== '') writeFile(undefined, `${path}/${file}`, inherited)
  }
}

/**
 * Opens what a process with one thread writes `0` into to enter the cgroups. In v1 hierarchies that
 * is `tasks`: to move the writing thread alone the kernel takes no lock that waits for an RCU grace
 * period, as it does for cgroup.procs (3 to 12 ms; kernel/cgroup/cgroup.c, cgroup_procs_write_start).
 *
 * @param unified - with the cgroup v2 hierarchy; false if clone3 has entered it
 */
export function openMembership(plan: Pick<CgroupPlan, 'paths'>, unified: boolean): Fd[] {
  return plan.paths
    .filter(({ controllers }) => unified || controllers !== '')
    .map(({ controllers, path }) =>
      open(undefined, `${path}/${controllers === '' ? 'cgroup.procs' : 'tasks'}`, O.WRONLY),
    )
}

/** A cgroup v2 whose kind is about to change refuses for a moment. */
const ENTER_TRIES = 5
const ENTER_WAIT_MS = 30

/**
 * Writes a process id into what `openMembership` has opened.
 *
 * @param pid - `0` stands for the process that writes
 * @throws {SyscallError}
 */
export function enterCgroup(membership: Fd, pid: string): void {
  for (let tries = 1; ; tries++) {
    const result = S(NR.write, membership.number, str(pid), pid.length)
    if (result !== -E.INVAL || tries === ENTER_TRIES) {
      check('write', `${pid} to ${membership.label}`, result)
      return
    }
    sleepMs(ENTER_WAIT_MS)
  }
}

/**
 * Puts another process into the cgroups that it is not in yet.
 *
 * @param pid - a process with one thread that waits for this
 * @throws {SyscallError}
 */
export function enterDirectories(plan: CgroupPlan, pid: number): void {
  const now = parseProcCgroup(readFile(undefined, `/proc/${pid}/cgroup`))
  for (const { controllers, mountPoint, path } of plan.paths) {
    const at = now.find((entry) => entry.controllers === controllers)?.path
    if (`${mountPoint}${at}` === path) continue
    using membership = open(undefined, `${path}/cgroup.procs`, O.WRONLY)
    enterCgroup(membership, `${pid}`)
  }
}

/** The directory of the container in the cgroup v2 hierarchy, if there is one. */
export function openUnified(plan: Pick<CgroupPlan, 'paths'>): Fd | undefined {
  const unified = plan.paths.find(({ controllers }) => controllers === '')
  return unified && open(undefined, unified.path, O.RDONLY | O.DIRECTORY)
}
