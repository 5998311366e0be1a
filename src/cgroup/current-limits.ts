import type { CgroupPlan } from '../plan/cgroup.ts'
import type { CgroupWrite } from '../plan/resources/cgroup-write.ts'
import { ownPaths, readIfAny } from './tree.ts'

/**
 * What the files of `writes` hold now, as writes that restore it. Files with a line a device are
 * left out: what was never set there has no value to go back to.
 */
export function currentLimits(plan: CgroupPlan, writes: readonly CgroupWrite[]): CgroupWrite[] {
  const own = ownPaths(plan)
  return writes.flatMap((write): CgroupWrite[] => {
    const { aboveUsage: _, otherwise, isUnified: __, ...plain } = write
    const cgroup = own.find(({ controllers }) =>
      plan.mode === 'v2' ? controllers === '' : controllers.split(',').includes(write.controller),
    )
    if (cgroup === undefined) return []
    for (const file of [write.file, otherwise?.file]) {
      const value = file === undefined ? '' : readIfAny(`${cgroup.path}/${file}`).trim()
      if (file !== undefined && value !== '' && !value.includes('\n')) {
        return [{ ...plain, file, value }]
      }
    }
    return []
  })
}
