/** Limits of config.json as properties of a unit; the rest is for the files of the cgroup alone. */
import type { LinuxResources } from '../../spec/generated/config.ts'
import { type Pointer, SpecError } from '../base/errors.ts'
import { RESOURCES_POINTER } from './resources/cgroup-write.ts'
import {
  cpuWeightOf,
  type Integer,
  integer,
  memoryMaxOf,
  memorySwapOf,
  pidsMaxOf,
} from './resources/conversions.ts'
import { cpusetProperty, IDLE, planQuota, SINCE } from './systemd-cpu.ts'
import {
  count,
  INFINITY,
  lastOfEach,
  type SystemdHost,
  type SystemdProperty,
} from './systemd-properties.ts'
import { planUnifiedProperties } from './systemd-unified.ts'

/** Limits as systemd gets them. */
export interface SystemdResources {
  readonly properties: readonly SystemdProperty[]
  /**
   * `cpu.quota` in microseconds as systemd will set it, for the cgroup's files; undefined where no
   * quota is set.
   */
  readonly quota: bigint | undefined
  readonly warnings: readonly string[]
}

/**
 * The properties for `resources`, all but devices (`planDeviceProperties`).
 *
 * @param at - pointer of the resources within their file
 * @throws {SpecError} for a value that cannot be converted
 */
export function planResourceProperties(
  resources: LinuxResources,
  host: SystemdHost,
  at: Pointer = RESOURCES_POINTER,
): SystemdResources {
  const warnings: string[] = []
  const { quota, properties: quotas } = planQuota(resources.cpu ?? {}, host)
  const properties = [
    ...(host.cgroupVersion === 2
      ? [...memoryV2(resources, at), ...weightV2(resources, host, warnings)]
      : onlyV1(resources)),
    ...quotas,
    ...limit('TasksMax', pidsMaxOf(resources.pids?.limit)),
    ...cpusetProperties(resources, host, at),
  ]
  if (host.cgroupVersion === 2)
    properties.push(...planUnifiedProperties(resources, host, at, warnings))
  return { properties: lastOfEach(properties), quota, warnings }
}

/**
 * A limit in the words of a cgroup's file: a number or `max`. A negative number is left to the file,
 * for the kernel's error.
 */
function limit(name: string, text: string | undefined): SystemdProperty[] {
  if (text === undefined || text.startsWith('-')) return []
  return [count(name, text === 'max' ? INFINITY : BigInt(text))]
}

function onlyV1({ memory, cpu, blockIO }: LinuxResources): SystemdProperty[] {
  return [
    ...limit('MemoryLimit', memoryMaxOf(memory?.limit)),
    ...notZero('CPUShares', cpu?.shares),
    ...notZero('BlockIOWeight', blockIO?.weight),
  ]
}

function notZero(name: string, value: Integer | undefined): SystemdProperty[] {
  return integer(value) === 0n ? [] : [count(name, integer(value))]
}

function memoryV2({ memory = {} }: LinuxResources, at: Pointer): SystemdProperty[] {
  return [
    ...limit('MemoryMax', memoryMaxOf(memory.limit)),
    ...limit('MemoryLow', memoryMaxOf(memory.reservation)),
    ...limit('MemorySwapMax', memorySwapOf(memory, `${at}/memory`)),
  ]
}

function weightV2(
  { cpu = {} }: LinuxResources,
  { systemdVersion }: SystemdHost,
  warnings: string[],
): SystemdProperty[] {
  const weight = cpuWeightOf(cpu.shares)
  if (integer(cpu.idle) === 1n && systemdVersion >= SINCE.idleWeight) {
    if (weight !== undefined) {
      warnings.push('unable to apply both CPUWeight and CpuIdle to systemd, ignoring CPUWeight')
    }
    return [IDLE]
  }
  return weight === undefined ? [] : [count('CPUWeight', BigInt(weight))]
}

function cpusetProperties(
  { cpu = {} }: LinuxResources,
  { systemdVersion }: SystemdHost,
  at: Pointer,
): SystemdProperty[] {
  if (systemdVersion < SINCE.cpuset) return []
  return CPUSETS.flatMap(([key, title, name]) => {
    const list = cpu[key] ?? ''
    if (list === '') return []
    const refuse = (message: string): SpecError =>
      new SpecError(
        `resources.CPU.${title}=${JSON.stringify(list)} conversion error: ${message}`,
        `${at}/cpu/${key}`,
      )
    return [cpusetProperty(name, list, refuse)]
  })
}

const CPUSETS = [
  ['cpus', 'Cpus', 'AllowedCPUs'],
  ['mems', 'Mems', 'AllowedMemoryNodes'],
] as const
