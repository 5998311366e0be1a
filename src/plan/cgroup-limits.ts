/** What the container's cgroups are to hold it to, whichever driver makes them. */
import type { LinuxResources, Spec } from '../../spec/generated/config.ts'
import { SpecError } from '../base/errors.ts'
import { cleanPath } from '../base/paths.ts'
import type { CgroupPlan } from './cgroup.ts'
import { type DeviceRule, planDeviceRules } from './device-rules.ts'
import { hasNamespace } from './namespaces.ts'
import { type CgroupWrite, RESOURCES_POINTER } from './resources/cgroup-write.ts'
import { planResources } from './resources/resources.ts'

export interface CgroupLimits {
  /** As configured; the systemd driver tells them to systemd, too. */
  readonly resources: LinuxResources
  readonly writes: readonly CgroupWrite[]
  readonly deviceRules: readonly DeviceRule[]
  /** User id on the host that the cgroup v2 directory is handed over to. */
  readonly owner: number | undefined
  readonly annotations: Readonly<Record<string, string>>
}

/** @throws {SpecError} for what the host's kind of cgroups cannot express */
export function planLimits(spec: Spec, cgroup: CgroupPlan): CgroupLimits {
  const resources = spec.linux?.resources ?? {}
  if (cgroup.driver === 'disabled') refuseLimits(resources)
  return {
    resources,
    writes: cgroup.driver === 'disabled' ? [] : planResources(resources, cgroup.mode),
    deviceRules: planDeviceRules(spec),
    owner: cgroup.mode === 'v2' ? ownerOf(spec) : undefined,
    annotations: spec.annotations ?? {},
  }
}

/** A limit that nothing keeps is worse than none; device rules are sent by every client. */
function refuseLimits(resources: LinuxResources): void {
  for (const [name, value] of Object.entries(resources)) {
    if (name === 'devices' || !isAsking(value)) continue
    const message = `cannot set ${name} limit: cgroups are disabled`
    throw new SpecError(message, `${RESOURCES_POINTER}/${name}`)
  }
}

/** False for what limits nothing: absent, empty, 0, -1, and objects and lists of such. */
function isAsking(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).some(isAsking)
  return ![undefined, null, '', false, 0, -1].includes(value as undefined)
}

/**
 * A container that has its cgroup as the root of what it sees, writable, is meant to manage it.
 *
 * @see runtime-spec config-linux.md "Cgroup ownership" (M-073, M-074)
 */
function ownerOf(spec: Spec): number | undefined {
  const isWritable = spec.mounts?.some(
    ({ type, source, destination, options }) =>
      (type === 'cgroup' || source === 'cgroup') &&
      cleanPath(`/${destination}`) === '/sys/fs/cgroup' &&
      !(options ?? []).some((word) => word === 'ro' || word === 'rro'),
  )
  const uid = spec.process?.user?.uid ?? 0
  return isWritable && hasNamespace(spec, 'cgroup') && uid !== 0 ? uid : undefined
}
