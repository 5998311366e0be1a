import type { CgroupPlan } from '../plan/cgroup.ts'
import { ownPaths, readIfAny } from './tree.ts'

/**
 * True if the kernel has killed a process of the container for want of memory.
 *
 * @see the kernel's admin-guide/cgroup-v2 "memory.events", cgroup-v1/memory "memory.oom_control"
 */
export function hasOomKills(plan: CgroupPlan): boolean {
  return ownPaths(plan).some(({ controllers, path }) => {
    const isV1 = controllers.split(',').includes('memory')
    if (!isV1 && controllers !== '') return false
    const text = readIfAny(`${path}/${isV1 ? 'memory.oom_control' : 'memory.events'}`)
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0) > 0
  })
}
