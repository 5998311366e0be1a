/** The cgroupfs driver: tsrun makes the cgroups itself. */
import type { CgroupPlan } from '../plan/cgroup.ts'
import type { CgroupLimits } from '../plan/cgroup-limits.ts'
import { planResources } from '../plan/resources/resources.ts'
import { delegate } from './delegation.ts'
import { applyDeviceRules } from './devices-v1.ts'
import { applyDeviceProgram } from './devices-v2.ts'
import { makeDirectories } from './directories.ts'
import type { Driver, MadeCgroups } from './driver.ts'
import { removeDirectories, removeMade } from './remove.ts'
import { applyResources } from './resources.ts'
import { ownPaths } from './tree.ts'

/** Controllers whose limits a threaded cgroup does not take. */
const DOMAIN_CONTROLLERS = ['memory', 'io', 'cpu', 'hugetlb']

/**
 * Makes what is missing of the container's directories, and sets the limits.
 *
 * @param isOccupied - the container's process is there already
 */
export function makeCgroups(
  plan: CgroupPlan,
  limits: CgroupLimits,
  isOccupied: boolean,
): MadeCgroups {
  const { writes, deviceRules, owner } = limits
  const needsDomain = writes.some(({ controller }) => DOMAIN_CONTROLLERS.includes(controller))
  const { made, inode } = makeDirectories(plan, { needsDomain, isOccupied })
  const undo = (): void => removeMade(plan, made)
  try {
    if (writes.length > 0) applyResources(plan, writes)
    if (plan.mode !== 'v2') applyDeviceRules(plan, deviceRules)
    for (const { path } of plan.mode === 'v2' ? ownPaths(plan) : []) {
      applyDeviceProgram(path, deviceRules)
      if (owner !== undefined) delegate(path, owner)
    }
    return { undo, inode }
  } catch (error) {
    undo()
    throw error
  }
}

export const cgroupfs: Driver = {
  create: (plan, limits) => makeCgroups(plan, limits, false),
  update: (plan, resources) => applyResources(plan, planResources(resources, plan.mode, '')),
  remove: removeDirectories,
}
