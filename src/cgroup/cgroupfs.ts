/** The cgroupfs driver: the container's cgroups as directories that tsrun makes itself. */
import { ContainerError, messageOf } from '../base/errors.ts'
import { parentPath } from '../base/paths.ts'
import type { CgroupPath, CgroupPlan } from '../plan/cgroup.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import {
  AT,
  mkdir,
  O,
  open,
  readDirectory,
  readFile,
  S_IF,
  statIfAny,
  unlink,
  writeFile,
} from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'
import { SIG, sleepMs } from '../sys/signal.ts'

/** The container's own cgroups: never the root of a hierarchy, whatever a path says. */
function ownPaths({ paths }: CgroupPlan): CgroupPath[] {
  return paths.filter(({ path, mountPoint }) => path !== mountPoint)
}

/**
 * Makes sure that the container's cgroups are free: absent, or thawed and without a process in them
 * and below. What is in them from now on is the container's, and goes with it (M-072).
 *
 * @throws {ContainerError} `busy`
 */
export function expectIdle(plan: CgroupPlan): void {
  for (const { path } of plan.paths) {
    const tree = treeOf(path)
    const count = new Set(tree.flatMap(processesIn)).size
    if (count > 0) {
      throw new ContainerError(
        'busy',
        `container's cgroup is not empty: ${count} process(es) found`,
      )
    }
    if (tree.length > 0 && isFrozen(path)) {
      throw new ContainerError('busy', "container's cgroup unexpectedly frozen")
    }
  }
}

/**
 * Makes the container's directories, which `expectIdle` has found free.
 *
 * @returns the paths of those that were not there before; if it fails, they are removed again
 */
export function createCgroup(plan: CgroupPlan): string[] {
  const made: string[] = []
  try {
    for (const cgroup of ownPaths(plan)) makeDirectories(cgroup, made)
    return made
  } catch (error) {
    for (const path of made.reverse()) removeDirectory(path)
    throw error
  }
}

function makeDirectories(cgroup: CgroupPath, made: string[]): void {
  const missing: string[] = []
  for (let path = cgroup.path; path !== cgroup.mountPoint; path = parentPath(path)) {
    if (tryMkdir(path)) {
      made.push(path)
      prepare(cgroup, path)
      break
    }
    if (statIfAny(undefined, path) !== undefined) break
    missing.push(path)
  }
  for (const path of missing.reverse()) {
    mkdir(undefined, path, 0o755)
    made.push(path)
    prepare(cgroup, path)
  }
}

/** False if there is something already, or the parent is missing. */
function tryMkdir(path: string): boolean {
  try {
    mkdir(undefined, path, 0o755)
    return true
  } catch (error) {
    if (isErrno(error, E.EXIST, E.NOENT)) return false
    throw new Error(`unable to apply cgroup configuration: ${messageOf(error)}`, { cause: error })
  }
}

/** A v1 cpuset takes no process until it has CPUs and memory nodes: those of its parent. */
function prepare(cgroup: CgroupPath, path: string): void {
  if (!cgroup.controllers.split(',').includes('cpuset')) return
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (readFile(undefined, `${path}/${file}`).trim() !== '') continue
    const inherited = readFile(undefined, `${parentPath(path)}/${file}`).trim()
    if (inherited !== '') writeFile(undefined, `${path}/${file}`, inherited)
  }
}

function readIfAny(path: string): string {
  try {
    return readFile(undefined, path)
  } catch (error) {
    if (isErrno(error, E.NOENT, E.NODEV, E.OPNOTSUPP)) return ''
    throw error
  }
}

function isFrozen(path: string): boolean {
  return (
    /^FRO?ZE|^FREEZING/.test(readIfAny(`${path}/freezer.state`)) ||
    /^frozen 1$/m.test(readIfAny(`${path}/cgroup.events`))
  )
}

/** True if the container's freezer has stopped it. */
export function isPaused(plan: CgroupPlan): boolean {
  const freezer = plan.paths.find(
    ({ controllers }) =>
      (plan.mode === 'v2' && controllers === '') || controllers.split(',').includes('freezer'),
  )
  return freezer !== undefined && isFrozen(freezer.path)
}

/** Process ids directly in one cgroup; none if it is gone. */
function processesIn(path: string): number[] {
  return readIfAny(`${path}/cgroup.procs`).split('\n').filter(Boolean).map(Number)
}

/** The directories of a cgroup's tree, the deepest first. */
function treeOf(path: string): string[] {
  let dir: Fd
  try {
    dir = open(undefined, path, O.RDONLY | O.DIRECTORY)
  } catch (error) {
    if (isErrno(error, E.NOENT)) return []
    throw error
  }
  using opened = dir
  const below = readDirectory(opened).filter((name) => {
    const found = statIfAny(opened, name, false)
    return found !== undefined && (found.mode & S_IF.MT) === S_IF.DIR
  })
  return [...below.flatMap((name) => treeOf(`${path}/${name}`)), path]
}

/** Every process in the container's cgroups and below. */
export function allProcesses(plan: CgroupPlan): number[] {
  const pids = new Set<number>()
  for (const { path } of ownPaths(plan)) {
    for (const dir of treeOf(path)) for (const pid of processesIn(dir)) pids.add(pid)
  }
  return [...pids]
}

/**
 * Opens what a process with one thread writes `0` into to enter the cgroups. In v1 hierarchies that
 * is `tasks`: to move the writing thread alone the kernel takes no lock that waits for an RCU grace
 * period, as it does for cgroup.procs (3 to 12 ms; kernel/cgroup/cgroup.c, cgroup_procs_write_start).
 *
 * @param unified - with the cgroup v2 hierarchy; false if clone3 has entered it
 */
export function openMembership(plan: CgroupPlan, unified: boolean): Fd[] {
  return plan.paths
    .filter(({ controllers }) => unified || controllers !== '')
    .map(({ controllers, path }) =>
      open(undefined, `${path}/${controllers === '' ? 'cgroup.procs' : 'tasks'}`, O.WRONLY),
    )
}

/** The directory of the container in the cgroup v2 hierarchy, if there is one. */
export function openUnified(plan: CgroupPlan): Fd | undefined {
  const unified = plan.paths.find(({ controllers }) => controllers === '')
  return unified && open(undefined, unified.path, O.RDONLY | O.DIRECTORY)
}

/** Sends SIGKILL to every process until none is left, at most for `limitMs`. */
export function killAll(plan: CgroupPlan, limitMs: number): void {
  thaw(plan)
  for (let waited = 0; waited <= limitMs; waited += 5) {
    const pids = allProcesses(plan)
    if (pids.length === 0) return
    for (const pid of pids) S(NR.kill, pid, SIG.KILL)
    sleepMs(5)
  }
}

/** Lets frozen processes run: on v1 they do not even die of SIGKILL. */
export function thaw(plan: CgroupPlan): void {
  for (const { path } of plan.paths) {
    for (const [file, word] of [
      ['freezer.state', 'THAWED'],
      ['cgroup.freeze', '0'],
    ] as const) {
      if (isFrozen(path) && statIfAny(undefined, `${path}/${file}`) !== undefined) {
        writeFile(undefined, `${path}/${file}`, word)
      }
    }
  }
}

function removeDirectory(path: string): boolean {
  try {
    unlink(undefined, path, AT.REMOVEDIR)
    return true
  } catch (error) {
    if (isErrno(error, E.NOENT)) return true
    if (isErrno(error, E.BUSY, E.NOTEMPTY)) return false
    throw error
  }
}

/** Waits between tries, in ms: a process that was killed leaves its cgroup a little later. */
const WAITS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 400, 800]

/**
 * Removes the container's cgroups with all below.
 *
 * @throws {Error} when processes hold one of them
 */
export function removeCgroup(plan: CgroupPlan): void {
  for (const { path } of ownPaths(plan)) removeTree(path)
}

function removeTree(path: string): void {
  if (WAITS.some((ms) => tryRemove(path, ms))) return
  throw new Error(`unable to remove container's cgroup: ${path} is busy`)
}

function tryRemove(path: string, waitMs: number): boolean {
  if (waitMs > 0) sleepMs(waitMs)
  // most containers have nothing below: then one rmdir is all
  return removeDirectory(path) || treeOf(path).every(removeDirectory)
}

/** How long killed processes may take to leave, in ms. */
const KILL_LIMIT_MS = 10_000

/** Removes cgroups, and first kills the processes in them. */
export function destroyCgroup(plan: CgroupPlan): void {
  killIfAny(plan)
  removeCgroup(plan)
}

function killIfAny(plan: CgroupPlan): void {
  if (allProcesses(plan).length > 0) killAll(plan, KILL_LIMIT_MS)
}

/** Takes back a `createCgroup`, whose result `made` is: what was there before stays. */
export function undoCgroup(plan: CgroupPlan, made: readonly string[]): void {
  killIfAny(plan)
  for (const path of made.toReversed()) {
    if (plan.paths.some((own) => own.path === path)) removeTree(path)
    else removeDirectory(path)
  }
}
