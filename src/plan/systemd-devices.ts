/** Device rules as properties of a unit: systemd has its own program, or device cgroup, for them. */
import {
  accessLetters,
  allowsEverything,
  type DeviceEntry,
  type DevicePolicy,
  foldDeviceRules,
} from './device-policy.ts'
import { type DeviceRule, deviceRuleText } from './device-rules.ts'
import { type SystemdHost, type SystemdProperty, word } from './systemd-properties.ts'

/** Since when `char-136` is any device with that major number. */
const MAJOR_NUMBER_VERSION = 240

/** Device rules as systemd gets them. */
export interface SystemdDevices {
  readonly properties: readonly SystemdProperty[]
  readonly warnings: readonly string[]
}

/** What forbids nothing and has systemd attach no program. */
const LEFT_ALONE: readonly SystemdProperty[] = [word('DevicePolicy', 'auto'), allowList([])]

/**
 * DevicePolicy and DeviceAllow for `rules`. systemd knows lists of what is allowed, nothing else.
 * Such a list is exact or allows too much, which tsrun's own rules then forbid. Where it would forbid
 * what the rules allow, there is a warning; on cgroup v1 systemd's rules stay only until tsrun writes
 * its own, on v2 its program would stay beside tsrun's and both would have to agree: there, systemd
 * gets no rules at all.
 *
 * @param procDevices - /proc/devices, for systemd before version 240
 * @see systemd.resource-control(5)
 */
export function planDeviceProperties(
  rules: readonly DeviceRule[],
  host: SystemdHost,
  procDevices = '',
): SystemdDevices {
  const policy = foldDeviceRules(rules)
  if (allowsEverything(policy)) return { properties: LEFT_ALONE, warnings: [] }
  const { entries, warnings } = isDenyList(policy)
    ? DENY_LIST
    : entriesOf(policy, host, procDevices)
  const properties =
    warnings.length > 0 && host.cgroupVersion === 2
      ? LEFT_ALONE
      : // emptied first: the second one adds to the list
        [
          word('DevicePolicy', 'strict'),
          allowList([]),
          ...(entries.length > 0 ? [allowList(entries)] : []),
        ]
  return { properties, warnings }
}

/** A path or group, and access letters. */
type Entry = readonly [string, string]

interface Entries {
  readonly entries: readonly Entry[]
  readonly warnings: readonly string[]
}

const DENY_LIST: Entries = {
  entries: [],
  warnings: ["systemd doesn't support blacklist device rules -- applying temporary deny-all rule"],
}

function allowList(entries: readonly Entry[]): SystemdProperty {
  return { name: 'DeviceAllow', signature: 'a(ss)', value: entries }
}

/** True if all devices are allowed but for some. */
function isDenyList(policy: DevicePolicy): boolean {
  return allowsEverything(policy.filter(({ major, minor }) => major < 0 && minor < 0))
}

function entriesOf(policy: DevicePolicy, host: SystemdHost, procDevices: string): Entries {
  const entries: Entry[] = []
  const warnings: string[] = []
  for (const entry of policy) {
    if (entry.access === 0) continue
    const named = nameOf(entry, host, procDevices)
    if (named.name === undefined) warnings.push(named.warning)
    else entries.push([named.name, accessLetters(entry.access)])
  }
  return { entries, warnings }
}

type Name = { readonly name: string } | { readonly name: undefined; readonly warning: string }

function nameOf(entry: DeviceEntry, host: SystemdHost, procDevices: string): Name {
  const { type, major, minor } = entry
  const kind = type === 'c' ? 'char' : 'block'
  const rule = deviceRuleText({ type, major, minor, access: accessLetters(entry.access) })
  if (major >= 0 && minor >= 0) return { name: `/dev/${kind}/${major}:${minor}` }
  if (major < 0 && minor < 0) return { name: `${kind}-*` }
  if (major < 0) {
    const warning = `systemd doesn't support '*:n' device rules -- temporarily ignoring rule: ${rule}`
    return { name: undefined, warning }
  }
  if (host.systemdVersion >= MAJOR_NUMBER_VERSION) return { name: `${kind}-${major}` }
  const group = groupOf(kind, major, procDevices)
  if (group !== undefined) return { name: `${kind}-${group}` }
  const warning = `could not find device group for '${type}/${major}' in /proc/devices -- temporarily ignoring rule: ${rule}`
  return { name: undefined, warning }
}

/** The name that the kernel gives to a major number. @see proc_devices(5) */
function groupOf(kind: 'char' | 'block', major: number, procDevices: string): string | undefined {
  const [characters = '', blocks = ''] = procDevices.split('Block devices:')
  const section = kind === 'char' ? characters : blocks
  return new RegExp(`^ *${major} (\\S+)$`, 'm').exec(section)?.[1]
}
