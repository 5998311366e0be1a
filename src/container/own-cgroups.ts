/** What of the cgroups that a state names is still the container's. */
import { ownPaths } from '../cgroup/tree.ts'
import type { CgroupPlan } from '../plan/cgroup.ts'
import { statIfAny } from '../sys/file.ts'
import type { State } from './state.ts'

/**
 * The container's cgroups; with no paths if they have been removed, whoever may have made others in
 * their place since, or if the container never came to have any.
 */
export function ownCgroups({ cgroup, cgroupInode }: State): CgroupPlan {
  const [first] = ownPaths(cgroup)
  const found = first && statIfAny(undefined, first.path)
  // a delete that was cut short may have removed the first one only
  const isOurs = cgroupInode !== undefined && (found === undefined || found.ino === cgroupInode)
  return isOurs ? cgroup : { ...cgroup, paths: [] }
}
