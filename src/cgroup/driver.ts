/** Who makes, changes and removes the container's cgroups: what is asked of each. */
import type { LinuxResources } from '../../spec/generated/config.ts'
import type { Log } from '../base/log.ts'
import type { CgroupPlan } from '../plan/cgroup.ts'
import type { CgroupLimits } from '../plan/cgroup-limits.ts'

/** Cgroups that a driver has made. */
export interface MadeCgroups {
  /** Takes them back, with the processes in them. */
  undo(): void
  /** Of the first cgroup of the plan. */
  readonly inode: number
}

export interface Driver {
  /**
   * Makes the cgroups with their limits, before there is a process for them.
   *
   * @throws {ContainerError}, {SpecError}, {StepError}; nothing is left then
   */
  create?(plan: CgroupPlan, limits: CgroupLimits): MadeCgroups
  /**
   * Makes them around a process, which waits until this is done.
   *
   * @throws {ContainerError}, {SpecError}, {StepError}; but for the process nothing is left then
   */
  place?(plan: CgroupPlan, limits: CgroupLimits, pid: number, log: Log): MadeCgroups
  /**
   * Changes limits, but for devices.
   *
   * @throws {SpecError}, {StepError} with a pointer into `resources`; some may be in force then
   */
  update(plan: CgroupPlan, resources: LinuxResources, log: Log): void
  /** Removes the cgroups, which have no more processes. @throws {Error} naming what is busy */
  remove(plan: CgroupPlan): void
}
