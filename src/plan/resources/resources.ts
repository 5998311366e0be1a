/** `linux.resources`, all but `devices`: what is written into which files of a cgroup. */
import type { LinuxResources } from '../../../spec/generated/config.ts'
import { type Pointer, SpecError } from '../../base/errors.ts'
import type { CgroupFacts } from '../facts.ts'
import { type CgroupWrite, RESOURCES_POINTER } from './cgroup-write.ts'
import { integer } from './conversions.ts'
import { planUnified } from './unified.ts'
import { planV1 } from './v1.ts'
import { planV2 } from './v2.ts'

export type { CgroupWrite } from './cgroup-write.ts'

/**
 * The writes in the order in which they are made. Absent and 0 leave a file as it is, but for
 * pids.limit, cpu.idle, cpu.burst and what is given per device.
 *
 * On cgroup v2 `memory.swappiness`, `memory.disableOOMKiller` and `memory.kernel*` have no effect,
 * as with runc: programs that know cgroup v1 send them without asking (`ignoredResources` tells).
 * Everything else that v2 has nothing for is an error (M-085).
 *
 * @param mode - hybrid has the controllers of v1
 * @param at - pointer of the resources within their file
 * @throws {SpecError} for what this hierarchy cannot express
 * @see runtime-spec config-linux.md "Control groups"
 */
export function planResources(
  resources: LinuxResources,
  mode: CgroupFacts['mode'],
  at: Pointer = RESOURCES_POINTER,
): CgroupWrite[] {
  if (mode === 'v2') return [...planV2(resources, at), ...planUnified(resources, at)]
  if (Object.keys(resources.unified ?? {}).length > 0) {
    const message = 'invalid configuration: cannot use unified on cgroup v1'
    throw new SpecError(message, `${at}/unified`)
  }
  return planV1(resources, at)
}

/** What is asked for and has no effect in this mode, for a warning. */
export function ignoredResources(
  { memory = {} }: LinuxResources,
  mode: CgroupFacts['mode'],
  at: Pointer = RESOURCES_POINTER,
): { readonly pointer: Pointer; readonly message: string }[] {
  if (mode !== 'v2') return []
  const names: string[] = []
  if (integer(memory.swappiness) !== 0n) names.push('swappiness')
  if (memory.disableOOMKiller === true) names.push('disableOOMKiller')
  return names.map((name) => ({
    pointer: `${at}/memory/${name}`,
    message: `memory.${name} has no effect on cgroup v2`,
  }))
}
