import type { CgroupPlan } from '../plan/cgroup.ts'
import { ownPaths, readIfAny } from './tree.ts'

/**
 * How many processes of the container the kernel has killed for want of memory.
 *
 * @see the kernel's admin-guide/cgroup-v2 "memory.events", cgroup-v1/memory "memory.oom_control"
 */
export function countOomKills(plan: CgroupPlan): number {
  let count = 0
  for (const { controllers, path } of ownPaths(plan)) {
    const isV1 = controllers.split(',').includes('memory')
    if (!isV1 && controllers !== '') continue
    const text = readIfAny(`${path}/${isV1 ? 'memory.oom_control' : 'memory.events'}`)
    count += Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0)
  }
  return count
}
