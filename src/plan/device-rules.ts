import type { LinuxDeviceCgroup, Spec } from '../../spec/generated/config.ts'
import { type Pointer, SpecError } from '../base/errors.ts'
import { cleanPath } from '../base/paths.ts'

/** One rule of the device cgroup. */
export interface DeviceRule {
  readonly allow: boolean
  /** `a` for both `b` and `c`. */
  readonly type: string
  /** -1 for any. */
  readonly major: number
  /** -1 for any. */
  readonly minor: number
  /** Of `rwm`. */
  readonly access: string
  /** The place in config.json; absent for what every container gets. */
  readonly pointer?: Pointer
}

function allow(type: string, major: number, minor: number, access: string): DeviceRule {
  return { allow: true, type, major, minor, access }
}

/**
 * What every container may use, whatever is configured: making nodes of any kind (using them is
 * another matter), the default devices, pseudo-terminals, tun. A default device that linux.devices
 * puts another node in place of is left out: its path is in front.
 */
const ALWAYS: readonly (readonly [string, DeviceRule])[] = [
  ['', allow('c', -1, -1, 'm')],
  ['', allow('b', -1, -1, 'm')],
  ['/dev/null', allow('c', 1, 3, 'rwm')],
  ['/dev/random', allow('c', 1, 8, 'rwm')],
  ['/dev/full', allow('c', 1, 7, 'rwm')],
  ['/dev/tty', allow('c', 5, 0, 'rwm')],
  ['/dev/zero', allow('c', 1, 5, 'rwm')],
  ['/dev/urandom', allow('c', 1, 9, 'rwm')],
  ['', allow('c', 136, -1, 'rwm')],
  ['', allow('c', 5, 2, 'rwm')],
  ['', allow('c', 10, 200, 'rwm')],
]

/**
 * The container's rules in the order in which they apply, over a first rule that denies all.
 *
 * @throws {SpecError} for a number that no device can have
 */
export function planDeviceRules(spec: Spec): DeviceRule[] {
  const configured = (spec.linux?.resources?.devices ?? []).map(ruleOf)
  const taken = new Set((spec.linux?.devices ?? []).map(({ path }) => cleanPath(path)))
  const always = ALWAYS.filter(([path]) => !taken.has(path)).map(([, rule]) => rule)
  return [...configured, ...always]
}

function ruleOf(device: LinuxDeviceCgroup, index: number): DeviceRule {
  const pointer = `/linux/resources/devices/${index}`
  return {
    allow: device.allow,
    // an empty string is as good as none
    type: device.type || 'a',
    major: numberOf(device.major, `${pointer}/major`),
    minor: numberOf(device.minor, `${pointer}/minor`),
    access: device.access ?? 'rwm',
    pointer,
  }
}

/** The kernel takes 2^32 - 1 for "any": it must not be reached by writing it as a number. */
const LARGEST = 2 ** 32 - 2

function numberOf(value: number | bigint | undefined, pointer: Pointer): number {
  if (value === undefined) return -1
  if (value < -1 || value > LARGEST) throw new SpecError(`invalid device number ${value}`, pointer)
  return Number(value)
}

/** A rule, or an entry of a device policy, as devices.allow and devices.deny take it: `c 1:* rwm`. */
export function deviceRuleText({
  type,
  major,
  minor,
  access,
}: Pick<DeviceRule, 'type' | 'major' | 'minor' | 'access'>): string {
  const number = (n: number): string => (n < 0 ? '*' : `${n}`)
  return `${type} ${number(major)}:${number(minor)} ${access}`
}
