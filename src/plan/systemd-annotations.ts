/**
 * Properties of a container's unit that annotations set: `org.systemd.property.NAME`. Who writes
 * annotations is often somebody that must not run programs on the host or change its services, so
 * only the properties listed here can be set (CVE-2024-3154).
 */
import { messageOf, SpecError } from '../base/errors.ts'
import { segment } from '../base/pointer.ts'
import type { BusVariant } from '../sys/sd-bus-message.ts'
import { count, type SystemdProperty } from './systemd-properties.ts'
import { parseVariant } from './systemd-variant.ts'

const PREFIX = 'org.systemd.property.'

/**
 * What may be set, with its type. These say how the unit itself ends, how it is described and
 * ordered, and what it may use. Not here: what executes or opens something (Exec*, BPFProgram,
 * *Action), what pulls in or ends other units (Requires, Conflicts, OnFailure), what says where the
 * container is and what is in it (Slice, PIDs, Delegate), devices, what keeps the unit from being
 * stopped, and what takes memory from others for good (MemoryMin, MemoryLow).
 *
 * @see systemd.unit(5), systemd.scope(5), systemd.kill(5), systemd.resource-control(5)
 */
const ALLOWED: Readonly<Record<string, string>> = {
  After: 'as',
  Before: 'as',
  CollectMode: 's',
  DefaultDependencies: 'b',
  Description: 's',
  Documentation: 'as',
  FinalKillSignal: 'i',
  IgnoreOnIsolate: 'b',
  KillMode: 's',
  KillSignal: 'i',
  OOMPolicy: 's',
  RuntimeMaxUSec: 't',
  RuntimeRandomizedExtraUSec: 't',
  SendSIGHUP: 'b',
  SendSIGKILL: 'b',
  TimeoutStopUSec: 't',
  CPUAccounting: 'b',
  MemoryAccounting: 'b',
  TasksAccounting: 'b',
  IOAccounting: 'b',
  BlockIOAccounting: 'b',
  IPAccounting: 'b',
  AllowedCPUs: 'ay',
  AllowedMemoryNodes: 'ay',
  CPUQuotaPerSecUSec: 't',
  CPUQuotaPeriodUSec: 't',
  CPUShares: 't',
  CPUWeight: 't',
  MemoryHigh: 't',
  MemoryLimit: 't',
  MemoryMax: 't',
  MemorySwapMax: 't',
  MemoryZSwapMax: 't',
  TasksMax: 't',
  BlockIOReadBandwidth: 'a(st)',
  BlockIOWeight: 't',
  BlockIOWriteBandwidth: 'a(st)',
  IODeviceLatencyTargetUSec: 'a(st)',
  IODeviceWeight: 'a(st)',
  IOReadBandwidthMax: 'a(st)',
  IOReadIOPSMax: 'a(st)',
  IOWeight: 't',
  IOWriteBandwidthMax: 'a(st)',
  IOWriteIOPSMax: 'a(st)',
}

/**
 * The properties that `annotations` set.
 *
 * @throws {SpecError} for a name or value that is none, and for a property that may not be set
 */
export function planAnnotatedProperties(
  annotations: Readonly<Record<string, string>> = {},
): SystemdProperty[] {
  return Object.entries(annotations)
    .filter(([key]) => key.startsWith(PREFIX))
    .map(([key, text]) => propertyOf(key, text))
}

function propertyOf(key: string, text: string): SystemdProperty {
  const pointer = `/annotations/${segment(key)}`
  const refuse = (message: string): SpecError => new SpecError(`annotation ${message}`, pointer)
  const given = key.slice(PREFIX.length)
  if (given.length < 3) throw refuse(`${key} name incorrect: too short`)
  if (!/^[A-Za-z]+$/.test(given)) {
    throw refuse(`${key} name incorrect: contains non-alphabetic character`)
  }
  // seconds, in unit files; D-Bus has microseconds
  const isSeconds = /[a-z]Sec$/.test(given)
  const name = isSeconds ? given.replace(/Sec$/, 'USec') : given
  const type = Object.hasOwn(ALLOWED, name) ? ALLOWED[name] : undefined
  if (type === undefined) {
    throw refuse(`${key} refused: ${given} is not on the list of properties that may be set`)
  }
  try {
    if (isSeconds) return count(name, microseconds(parseVariant(text)))
    return { name, ...parseVariant(text, type) }
  } catch (error) {
    throw refuse(`${key}=${text} value parse error: ${messageOf(error)}`)
  }
}

const US_PER_SECOND = 1_000_000
const LARGEST = 2n ** 64n - 1n

function microseconds({ value }: BusVariant): bigint {
  if (typeof value !== 'number' && typeof value !== 'bigint') throw new TypeError('not a number')
  const us =
    typeof value === 'bigint' || Number.isInteger(value)
      ? BigInt(value) * BigInt(US_PER_SECOND)
      : BigInt(Math.trunc(value * US_PER_SECOND))
  if (us < 0n || us > LARGEST) throw new RangeError(`number ${value} is out of range`)
  return us
}
