/** Kills whatever is in the container's cgroups. */
import type { CgroupPlan } from '../plan/cgroup.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { S } from '../sys/ffi.ts'
import { writeFile } from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'
import { SIG, sleepMs } from '../sys/signal.ts'
import { thawTree } from './freezer.ts'
import { allProcesses, ownPaths } from './tree.ts'

/** How long killed processes may take to leave, in ms. */
const LIMIT_MS = 10_000

/**
 * Kills every process in the container's cgroups and below, with `cgroup.kill` where there is one
 * (nothing can fork its way out), and waits until they are gone, at most 10 s.
 *
 * @returns false if there was none
 */
export function killAll(plan: CgroupPlan): boolean {
  if (allProcesses(plan).length === 0) return false
  killCgroup(plan)
  const start = performance.now()
  for (let pids = allProcesses(plan); pids.length > 0; pids = allProcesses(plan)) {
    // 0 would be the own process group
    for (const pid of pids) if (pid > 0) S(NR.kill, pid, SIG.KILL)
    thawTree(plan)
    const passed = performance.now() - start
    if (passed > LIMIT_MS) break
    sleepMs(passed < 20 ? 1 : 5)
  }
  return true
}

/** @see the kernel's admin-guide/cgroup-v2, "cgroup.kill" (Linux 5.14) */
function killCgroup(plan: CgroupPlan): void {
  const unified = ownPaths(plan).find(({ controllers }) => controllers === '')
  if (unified === undefined) return
  try {
    writeFile(undefined, `${unified.path}/cgroup.kill`, '1')
  } catch (error) {
    // not in a threaded cgroup, nor on older kernels: then signals do it
    if (!isErrno(error, E.NOENT, E.OPNOTSUPP, E.NODEV)) throw error
  }
}
