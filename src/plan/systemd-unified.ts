/** Entries of `unified` that are a property of a unit, too; the others are for the files alone. */
import type { LinuxResources } from '../../spec/generated/config.ts'
import { type Pointer, SpecError } from '../base/errors.ts'
import { segment } from '../base/pointer.ts'
import { DEFAULT_CPU_PERIOD } from './resources/conversions.ts'
import { cpusetProperty, IDLE, planQuota, SINCE } from './systemd-cpu.ts'
import { count, INFINITY, type SystemdHost, type SystemdProperty } from './systemd-properties.ts'

/** Files that are a limit: a number or `max`. */
const LIMIT_FILES: Readonly<Record<string, string>> = {
  'memory.high': 'MemoryHigh',
  'memory.low': 'MemoryLow',
  'memory.min': 'MemoryMin',
  'memory.max': 'MemoryMax',
  'memory.swap.max': 'MemorySwapMax',
  'pids.max': 'TasksMax',
}

const CPUSET_FILES: Readonly<Record<string, string>> = {
  'cpuset.cpus': 'AllowedCPUs',
  'cpuset.mems': 'AllowedMemoryNodes',
}

/**
 * The properties for `unified`; its names are checked where they are written (`planResources`).
 *
 * @param at - pointer of the resources
 * @param warnings - takes one more where an entry has no effect
 * @throws {SpecError} for a value that is none
 */
export function planUnifiedProperties(
  { unified = {} }: LinuxResources,
  host: SystemdHost,
  at: Pointer,
  warnings: string[],
): SystemdProperty[] {
  const isIdle =
    (unified['cpu.idle'] ?? '').trim() === '1' && host.systemdVersion >= SINCE.idleWeight
  return Object.entries(unified).flatMap(([file, text]): SystemdProperty[] => {
    const value = text.trim()
    const entry: UnifiedEntry = { file, value, pointer: `${at}/unified/${segment(file)}` }
    if (file === 'cpu.idle') return isIdle ? [IDLE] : []
    if (file === 'cpu.max') return cpuMax(entry, host)
    if (file === 'cpu.weight') {
      if (!isIdle) return weightIn(entry)
      warnings.push('unable to apply both cpu.weight and cpu.idle to systemd, ignoring cpu.weight')
      return []
    }
    const name = LIMIT_FILES[file]
    if (name !== undefined) return [count(name, limitIn(entry))]
    const set = CPUSET_FILES[file]
    if (set === undefined || host.systemdVersion < SINCE.cpuset) return []
    const refuse = (message: string): SpecError =>
      refusal(entry, `=${JSON.stringify(value)} conversion error: ${message}`)
    // empty: what the parent has
    return value === '' ? [] : [cpusetProperty(set, value, refuse)]
  })
}

interface UnifiedEntry {
  readonly file: string
  readonly value: string
  readonly pointer: Pointer
}

function refusal({ file, pointer }: UnifiedEntry, what: string): SpecError {
  return new SpecError(`unified resource ${JSON.stringify(file)}${what}`, pointer)
}

/** `50000 100000`, `max`, `max 100000`. */
function cpuMax(entry: UnifiedEntry, host: SystemdHost): SystemdProperty[] {
  const [quota = '', period, ...more] = entry.value.split(/\s+/)
  if (quota === '' || more.length > 0) {
    throw refusal(entry, ` value invalid: ${JSON.stringify(entry.value)}`)
  }
  const wanted = {
    quota: quota === 'max' ? -1n : numberIn(entry, quota),
    period: period === undefined ? DEFAULT_CPU_PERIOD : numberIn(entry, period),
  }
  return [...planQuota(wanted, host).properties]
}

function numberIn(entry: UnifiedEntry, text: string): bigint {
  const value = /^\d{1,20}$/.test(text) ? BigInt(text) : -1n
  if (value >= 0n && value <= INFINITY) return value
  throw refusal(entry, ` value conversion error: invalid number ${JSON.stringify(text)}`)
}

/** A weight that the kernel refuses is left to it; to systemd 0 would be something else. */
function weightIn(entry: UnifiedEntry): SystemdProperty[] {
  const weight = numberIn(entry, entry.value)
  return weight >= 1n && weight <= 10_000n ? [count('CPUWeight', weight)] : []
}

/** Files that may be 0, where systemd wants 1 at least. */
const NEVER_ZERO = new Set(['memory.high', 'memory.max', 'pids.max'])

function limitIn(entry: UnifiedEntry): bigint {
  const value = bytesIn(entry)
  return value === 0n && NEVER_ZERO.has(entry.file) ? 1n : value
}

const UNITS = 'KMGTPE'

/** A number as the kernel takes it for memory: `1G` too. */
function bytesIn(entry: UnifiedEntry): bigint {
  if (entry.value === 'max') return INFINITY
  const unit = UNITS.indexOf(entry.value.slice(-1).toUpperCase() || '-')
  if (unit < 0) return numberIn(entry, entry.value)
  const bytes = numberIn(entry, entry.value.slice(0, -1)) << BigInt(10 * (unit + 1))
  return numberIn(entry, `${bytes}`)
}
