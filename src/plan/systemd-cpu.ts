/** CPUs and their time as properties of a unit. */
import type { LinuxCpu } from '../../spec/generated/config.ts'
import { messageOf } from '../base/errors.ts'
import { DEFAULT_CPU_PERIOD, integer } from './resources/conversions.ts'
import { count, INFINITY, type SystemdHost, type SystemdProperty } from './systemd-properties.ts'

/** Since when systemd has a property. */
export const SINCE = { cpuQuotaPeriod: 242, cpuset: 244, idleWeight: 252 } as const

/** A weight of 0 makes systemd set cpu.idle. */
export const IDLE: SystemdProperty = count('CPUWeight', 0n)

/** A quota as systemd gets it. */
export interface SystemdQuota {
  readonly properties: readonly SystemdProperty[]
  /** Microseconds in a period that come out, negative for no limit; undefined if none is given. */
  readonly quota: bigint | undefined
}

const US_PER_SECOND = 1_000_000n
/** systemd keeps a quota in whole percents of a CPU. */
const QUOTA_STEP_US = 10_000n

/**
 * The properties of a quota. It is rounded up, so that cgroups below the container's may ask for all
 * of what was asked for here.
 */
export function planQuota(
  cpu: Pick<LinuxCpu, 'quota' | 'period'>,
  { systemdVersion }: SystemdHost,
): SystemdQuota {
  const [quota, period] = [integer(cpu.quota), integer(cpu.period)]
  if (quota === 0n && period === 0n) return { properties: [], quota: undefined }
  const properties: SystemdProperty[] = []
  if (period !== 0n && systemdVersion >= SINCE.cpuQuotaPeriod) {
    properties.push(count('CPUQuotaPeriodUSec', period))
  }
  if (quota <= 0n) {
    properties.push(count('CPUQuotaPerSecUSec', INFINITY))
    return { properties, quota: quota === 0n ? undefined : quota }
  }
  const length = period > 0n ? period : DEFAULT_CPU_PERIOD
  const step = length * QUOTA_STEP_US
  const perSecond = ((quota * US_PER_SECOND + step - 1n) / step) * QUOTA_STEP_US
  properties.push(count('CPUQuotaPerSecUSec', perSecond))
  return { properties, quota: (perSecond * length) / US_PER_SECOND }
}

/**
 * AllowedCPUs or AllowedMemoryNodes.
 *
 * @param refuse - makes the error for what is no list, which it gets the reason of
 */
export function cpusetProperty(
  name: string,
  list: string,
  refuse: (message: string) => Error,
): SystemdProperty {
  try {
    return { name, signature: 'ay', value: bitmaskOf(list) }
  } catch (error) {
    throw refuse(messageOf(error))
  }
}

/** More than any kernel is built for. */
const MOST_CPUS = 65_536
/** All the numbers of a list, with repetitions: what is worth the time. */
const MOST_REPEATED = 16 * MOST_CPUS

/**
 * A list of numbers as bits, number 0 the lowest bit of the first byte: `0-2,9` is 0x07 0x02.
 *
 * @throws {RangeError} for what is no such list
 * @see cpuset(7), "List format"
 */
export function bitmaskOf(list: string): Uint8Array {
  const ranges = list
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
  if (ranges.length === 0) throw new RangeError('empty value')
  const mask = new Uint8Array(MOST_CPUS / 8)
  let [largest, total] = [0, 0]
  for (const range of ranges) {
    const found = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(range)
    const [first, last] = [Number(found?.[1]), Number(found?.[2] ?? found?.[1])]
    if (found === null || first > last) throw new RangeError(`invalid range: ${range}`)
    if (last >= MOST_CPUS) throw new RangeError(`value is too large: ${last}`)
    largest = Math.max(largest, last)
    total += last - first + 1
    if (total > MOST_REPEATED) throw new RangeError('too many numbers')
    for (let bit = first; bit <= last; bit++)
      mask[bit >> 3] = (mask[bit >> 3] ?? 0) | (1 << (bit & 7))
  }
  return mask.slice(0, (largest >> 3) + 1)
}
