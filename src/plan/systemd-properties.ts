/** Properties of units, and those that a container's unit begins with. */
import type { LinuxResources } from '../../spec/generated/config.ts'
import type { BusValue } from '../sys/sd-bus-message.ts'
import type { SystemdUnit } from './systemd-unit.ts'

/** A property of a unit as D-Bus has it. @see org.freedesktop.systemd1(5), systemd.resource-control(5) */
export interface SystemdProperty {
  readonly name: string
  /** One complete type of D-Bus: `b`, `t`, `as`, `a(ss)`. */
  readonly signature: string
  readonly value: BusValue
}

/** "No limit", in every property that is one. */
export const INFINITY: bigint = 2n ** 64n - 1n

/** What the properties depend on. */
export interface SystemdHost {
  readonly cgroupVersion: 1 | 2
  /** `252`. Where this is 0, properties that came later are not used. */
  readonly systemdVersion: number
}

export function flag(name: string, value: boolean): SystemdProperty {
  return { name, signature: 'b', value }
}

export function word(name: string, value: string): SystemdProperty {
  return { name, signature: 's', value }
}

export function count(name: string, value: bigint): SystemdProperty {
  return { name, signature: 't', value }
}

/** Since when a scope has OOMPolicy. */
const OOM_POLICY_VERSION = 253

/**
 * What a container's unit is made with, but for its process and its limits.
 *
 * @param annotated - of annotations, `planAnnotatedProperties`; they win
 * @param unified - of the resources: `memory.oom.group` cannot be changed later
 */
export function planUnitProperties(
  { slice, isSlice, name }: SystemdUnit,
  { cgroupVersion, systemdVersion }: SystemdHost,
  annotated: readonly SystemdProperty[] = [],
  unified: LinuxResources['unified'] = {},
): SystemdProperty[] {
  const oom = OOM_POLICIES[unified['memory.oom.group']?.trim() ?? '']
  const own = [
    word('Description', `libcontainer container ${name}`),
    ...(isSlice
      ? [{ name: 'Wants', signature: 'as', value: [slice] }]
      : [word('Slice', slice), flag('Delegate', true)]),
    flag('MemoryAccounting', true),
    flag('CPUAccounting', true),
    flag(cgroupVersion === 2 ? 'IOAccounting' : 'BlockIOAccounting', true),
    flag('TasksAccounting', true),
    flag('DefaultDependencies', false),
    ...(oom !== undefined && !isSlice && systemdVersion >= OOM_POLICY_VERSION
      ? [word('OOMPolicy', oom)]
      : []),
  ]
  return lastOfEach([...own, ...annotated])
}

const OOM_POLICIES: Readonly<Record<string, string>> = { 0: 'continue', 1: 'kill' }

/** Properties without repetition: of those with one name the last one's value. */
export function lastOfEach(properties: readonly SystemdProperty[]): SystemdProperty[] {
  return [...new Map(properties.map((property) => [property.name, property])).values()]
}
