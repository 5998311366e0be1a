/** Kills whatever is in the container's cgroups. */
import type { CgroupPlan } from '../plan/cgroup.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { writeFile } from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'
import { pidfdOpen } from '../sys/process.ts'
import { SIG, sleepMs } from '../sys/signal.ts'
import { thaw, thawTree } from './freezer.ts'
import { allProcesses, ownPaths } from './tree.ts'

/** How long killed processes may take to leave, in ms. */
const LIMIT_MS = 10_000
/** Descriptors at the same time. */
const AT_ONCE = 64

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
    for (let done = 0; done < pids.length; done += AT_ONCE) {
      killHeld(plan, pids.slice(done, done + AT_ONCE))
    }
    thawTree(plan)
    const passed = performance.now() - start
    if (passed > LIMIT_MS) break
    sleepMs(passed < 20 ? 1 : 5)
  }
  return true
}

/**
 * Kills those of `pids` that are still in the cgroups once a descriptor holds them: a number read
 * before may be that of a process outside by now (threat T-32).
 */
function killHeld(plan: CgroupPlan, pids: readonly number[]): void {
  const held = new Map(pids.map((pid) => [pid, hold(pid)]))
  const still = new Set(allProcesses(plan))
  for (const [pid, process] of held) {
    if (process === undefined) continue
    if (still.has(pid)) S(NR.pidfd_send_signal, process.number, SIG.KILL, 0, 0)
    process.close()
  }
}

/** Undefined for a process that has ended, or that this pid namespace does not show (0). */
function hold(pid: number): Fd | undefined {
  try {
    return pid > 0 ? pidfdOpen(pid) : undefined
  } catch (error) {
    if (isErrno(error, E.SRCH, E.INVAL)) return undefined
    throw error
  }
}

/** @see the kernel's admin-guide/cgroup-v2, "cgroup.kill" (Linux 5.14) */
function killCgroup(plan: CgroupPlan): void {
  const unified = ownPaths(plan).find(({ controllers }) => controllers === '')
  if (unified === undefined) return
  try {
    writeFile(undefined, `${unified.path}/cgroup.kill`, '1')
    // they die frozen as well, but a cgroup that stays so is taken for a paused container
    thaw(plan)
  } catch (error) {
    // not in a threaded cgroup, nor on older kernels: then signals do it
    if (!isErrno(error, E.NOENT, E.OPNOTSUPP, E.NODEV)) throw error
  }
}
