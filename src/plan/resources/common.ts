/** Resources whose files are the same on cgroup v1 and v2, or nearly. */
import type { LinuxResources } from '../../../spec/generated/config.ts'
import { type Pointer, SpecError } from '../../base/errors.ts'
import { segment } from '../../base/pointer.ts'
import type { CgroupWrite } from './cgroup-write.ts'
import { pidsMaxOf } from './conversions.ts'

/** `pids.limit`. */
export function planPids({ pids }: LinuxResources, at: Pointer): CgroupWrite[] {
  const value = pidsMaxOf(pids?.limit)
  if (value === undefined) return []
  return [{ controller: 'pids', file: 'pids.max', value, pointer: `${at}/pids/limit` }]
}

/** `cpu.cpus` and `cpu.mems`; empty is as absent. */
export function planCpuset({ cpu = {} }: LinuxResources, at: Pointer): CgroupWrite[] {
  return (['cpus', 'mems'] as const).flatMap((name): CgroupWrite[] => {
    const value = cpu[name] ?? ''
    if (value === '') return []
    const pointer = `${at}/cpu/${name}`
    return [{ controller: 'cpuset', file: `cpuset.${name}`, value, pointer }]
  })
}

/** `cpu.idle`; without the file no group is idle. */
export function planIdle({ cpu }: LinuxResources, at: Pointer): CgroupWrite[] {
  if (cpu?.idle === undefined) return []
  const write = { controller: 'cpu', file: 'cpu.idle', value: `${cpu.idle}` }
  return [{ ...write, pointer: `${at}/cpu/idle`, ...(write.value === '0' && { isOptional: true }) }]
}

/**
 * `cpu.burst`. The kernel refuses one above the quota, which may be about to change.
 *
 * @param file - `cpu.max.burst` or `cpu.cfs_burst_us`
 */
export function planBurst({ cpu }: LinuxResources, at: Pointer, file: string): CgroupWrite[] {
  if (cpu?.burst === undefined) return []
  const write = { controller: 'cpu', file, value: `${cpu.burst}`, pointer: `${at}/cpu/burst` }
  return [{ ...write, isDeferred: true, ...(write.value === '0' && { isOptional: true }) }]
}

/**
 * `hugepageLimits`: what may be used, and what may be reserved (Linux 5.7).
 *
 * @param limit - the end of the file names: `max` or `limit_in_bytes`
 * @throws {SpecError} for a page size that is none
 */
export function planHugepages(
  { hugepageLimits = [] }: LinuxResources,
  at: Pointer,
  limit: string,
): CgroupWrite[] {
  return hugepageLimits.flatMap(({ pageSize, limit: bytes }, i): CgroupWrite[] => {
    const pointer = `${at}/hugepageLimits/${i}`
    if (!/^[1-9][0-9]*[KMG]B$/.test(pageSize)) {
      throw new SpecError(`invalid page size ${JSON.stringify(pageSize)}`, `${pointer}/pageSize`)
    }
    const write = { controller: 'hugetlb', value: `${bytes}`, pointer }
    return [
      { ...write, file: `hugetlb.${pageSize}.${limit}` },
      { ...write, file: `hugetlb.${pageSize}.rsvd.${limit}`, isOptional: true },
    ]
  })
}

/** `rdma`, a line a device. @throws {SpecError} for a device without a limit (M-087) */
export function planRdma({ rdma = {} }: LinuxResources, at: Pointer): CgroupWrite[] {
  return Object.entries(rdma).map(([device, { hcaHandles, hcaObjects }]): CgroupWrite => {
    const pointer = `${at}/rdma/${segment(device)}`
    if (hcaHandles === undefined && hcaObjects === undefined) {
      throw new SpecError('found neither hcaHandles nor hcaObjects', pointer)
    }
    const words = [device]
    if (hcaHandles !== undefined) words.push(`hca_handle=${hcaHandles}`)
    if (hcaObjects !== undefined) words.push(`hca_object=${hcaObjects}`)
    return { controller: 'rdma', file: 'rdma.max', value: words.join(' '), pointer }
  })
}

/** The lists of throttled devices, with their file on cgroup v1 and their word in io.max. */
export const THROTTLES = [
  ['throttleReadBpsDevice', 'blkio.throttle.read_bps_device', 'rbps'],
  ['throttleWriteBpsDevice', 'blkio.throttle.write_bps_device', 'wbps'],
  ['throttleReadIOPSDevice', 'blkio.throttle.read_iops_device', 'riops'],
  ['throttleWriteIOPSDevice', 'blkio.throttle.write_iops_device', 'wiops'],
] as const

/**
 * Every entry of `blockIO.throttle*Device`.
 *
 * @param write - makes the write of one; `rate` in bytes or operations a second, `0` for no limit
 * @throws {SpecError} for one without a rate
 */
export function planThrottles(
  { blockIO = {} }: LinuxResources,
  at: Pointer,
  write: (file: string, word: string, device: string, rate: string) => Omit<CgroupWrite, 'pointer'>,
): CgroupWrite[] {
  return THROTTLES.flatMap(([list, file, word]) =>
    (blockIO[list] ?? []).map(({ major, minor, rate }, i): CgroupWrite => {
      const pointer = `${at}/blockIO/${list}/${i}`
      if (rate === undefined) throw new SpecError('found no "rate", which is required', pointer)
      return { ...write(file, word, `${major}:${minor}`, `${rate}`), pointer }
    }),
  )
}

/** Every entry of `blockIO.weightDevice`. @throws {SpecError} for one without a weight (M-086) */
export function weightDevices(
  { blockIO }: LinuxResources,
  at: Pointer,
): { device: string; weight: number; leafWeight: number; pointer: Pointer }[] {
  return (blockIO?.weightDevice ?? []).map(({ major, minor, weight, leafWeight }, i) => {
    const pointer = `${at}/blockIO/weightDevice/${i}`
    if (weight === undefined && leafWeight === undefined) {
      throw new SpecError('found neither weight nor leafWeight', pointer)
    }
    const device = `${major}:${minor}`
    return { device, weight: weight ?? 0, leafWeight: leafWeight ?? 0, pointer }
  })
}
