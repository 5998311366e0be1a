import type { LinuxDeviceCgroup, Spec } from '../../spec/generated/config.ts'

/** One rule of the device cgroup. */
export interface DeviceRule {
  readonly allow: boolean
  /** `a` for all, `b` or `c`. */
  readonly type: string
  /** -1 for any. */
  readonly major: number
  /** -1 for any. */
  readonly minor: number
  /** Of `rwm`. */
  readonly access: string
}

function allow(type: string, major: number, minor: number, access: string): DeviceRule {
  return { allow: true, type, major, minor, access }
}

/**
 * What every container may use, whatever is configured: making nodes of any kind (using them is
 * another matter), the default devices, pseudo-terminals, tun.
 */
const ALWAYS: readonly DeviceRule[] = [
  allow('c', -1, -1, 'm'),
  allow('b', -1, -1, 'm'),
  allow('c', 1, 3, 'rwm'),
  allow('c', 1, 8, 'rwm'),
  allow('c', 1, 7, 'rwm'),
  allow('c', 5, 0, 'rwm'),
  allow('c', 1, 5, 'rwm'),
  allow('c', 1, 9, 'rwm'),
  allow('c', 136, -1, 'rwm'),
  allow('c', 5, 2, 'rwm'),
  allow('c', 10, 200, 'rwm'),
]

/** The container's rules in the order in which they apply, over a first rule that denies all. */
export function planDeviceRules(spec: Spec): DeviceRule[] {
  const configured = (spec.linux?.resources?.devices ?? []).map(ruleOf)
  return [...configured, ...ALWAYS]
}

function ruleOf(device: LinuxDeviceCgroup): DeviceRule {
  return {
    allow: device.allow,
    type: device.type ?? 'a',
    major: Number(device.major ?? -1),
    minor: Number(device.minor ?? -1),
    access: device.access ?? 'rwm',
  }
}

/** A rule as devices.allow and devices.deny take it: `c 1:* rwm`. */
export function deviceRuleText({ type, major, minor, access }: DeviceRule): string {
  if (type === 'a') return 'a'
  const number = (n: number): string => (n < 0 ? '*' : `${n}`)
  return `${type} ${number(major)}:${number(minor)} ${access}`
}
