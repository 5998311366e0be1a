/** Resources as files of cgroup v1. @see the kernel's admin-guide/cgroup-v1 */
import type { LinuxResources } from '../../../spec/generated/config.ts'
import { type Pointer, SpecError } from '../../base/errors.ts'
import type { CgroupWrite } from './cgroup-write.ts'
import {
  planBurst,
  planCpuset,
  planHugepages,
  planIdle,
  planPids,
  planRdma,
  planThrottles,
  weightDevices,
} from './common.ts'
import { type Integer, integer } from './conversions.ts'

const LARGEST_SWAPPINESS = 100n

/** All but `devices` and `unified`, in the order in which it is written. @throws {SpecError} */
export function planV1(resources: LinuxResources, at: Pointer): CgroupWrite[] {
  return [
    ...planCpuset(resources, at),
    ...planMemory(resources, `${at}/memory`),
    ...planCpu(resources, at),
    ...planPids(resources, at),
    ...planBlkio(resources, at),
    ...planHugepages(resources, at, 'limit_in_bytes'),
    ...planNetwork(resources, `${at}/network`),
    ...planRdma(resources, at),
  ]
}

/** A value that is left alone when it is absent or 0. */
function unlessZero(
  value: Integer | undefined,
  write: Omit<CgroupWrite, 'value'>,
  text = `${value}`,
): CgroupWrite[] {
  return integer(value) === 0n ? [] : [{ ...write, value: text }]
}

/**
 * Limits first. The kernel holds memory.limit below memory.memsw.limit at every moment: when both
 * are raised it refuses the first as invalid until the second is there.
 */
function planMemory({ memory = {} }: LinuxResources, at: Pointer): CgroupWrite[] {
  const { limit, reservation, swap, swappiness, disableOOMKiller, useHierarchy } = memory
  const controller = 'memory'
  const pointer = `${at}/limit`
  const writes: CgroupWrite[] = []
  if (useHierarchy === true) {
    // always so since Linux 5.11, which has no such file or takes nothing else
    const file = 'memory.use_hierarchy'
    writes.push({ controller, file, value: '1', pointer: `${at}/useHierarchy`, isOptional: true })
  }
  writes.push(
    ...unlessZero(limit, {
      controller,
      file: 'memory.limit_in_bytes',
      pointer,
      ...(integer(swapWith(limit, swap)) !== 0n && { isDeferred: true }),
    }),
    ...planSwap(limit, swap, at),
  )
  const soft = { controller, file: 'memory.soft_limit_in_bytes', pointer: `${at}/reservation` }
  writes.push(...unlessZero(reservation, soft))
  if (disableOOMKiller === true) {
    const file = 'memory.oom_control'
    writes.push({ controller, file, value: '1', pointer: `${at}/disableOOMKiller` })
  }
  if (swappiness !== undefined) {
    if (integer(swappiness) > LARGEST_SWAPPINESS) {
      throw new SpecError(
        `invalid memory swappiness value: ${swappiness} (valid range is 0-100)`,
        `${at}/swappiness`,
      )
    }
    const file = 'memory.swappiness'
    writes.push({ controller, file, value: `${swappiness}`, pointer: `${at}/swappiness` })
  }
  return writes
}

/** The limit of memory and swap; unlimited memory that leaves it alone makes it unlimited too. */
function swapWith(limit: Integer | undefined, swap: Integer | undefined): Integer | undefined {
  return integer(limit) === -1n && integer(swap) === 0n ? -1 : swap
}

function planSwap(
  limit: Integer | undefined,
  swap: Integer | undefined,
  at: Pointer,
): CgroupWrite[] {
  const both = swapWith(limit, swap)
  return unlessZero(both, {
    controller: 'memory',
    file: 'memory.memsw.limit_in_bytes',
    pointer: integer(swap) === 0n ? `${at}/limit` : `${at}/swap`,
    // a kernel that does not count swap does not limit it
    ...(integer(both) === -1n && { isOptional: true }),
  })
}

/**
 * The kernel weighs quota and period of a group against those of the groups around it, as it does
 * those of realtime tasks: a period that does not fit the old quota may fit the new one.
 */
function planCpu(resources: LinuxResources, at: Pointer): CgroupWrite[] {
  const { shares, quota, period, realtimeRuntime, realtimePeriod } = resources.cpu ?? {}
  const write = (name: string, file: string): Omit<CgroupWrite, 'value'> => ({
    controller: 'cpu',
    file,
    pointer: `${at}/cpu/${name}`,
  })
  return [
    ...unlessZero(shares, write('shares', 'cpu.shares')),
    ...unlessZero(period, { ...write('period', 'cpu.cfs_period_us'), isDeferred: true }),
    ...planBurst(resources, at, 'cpu.cfs_burst_us'),
    ...unlessZero(quota, write('quota', 'cpu.cfs_quota_us')),
    ...planIdle(resources, at),
    ...unlessZero(realtimePeriod, {
      ...write('realtimePeriod', 'cpu.rt_period_us'),
      isDeferred: true,
    }),
    ...unlessZero(realtimeRuntime, write('realtimeRuntime', 'cpu.rt_runtime_us')),
  ]
}

/** The names without `bfq` are those of CFQ, which Linux 5.0 removed. */
function planBlkio(resources: LinuxResources, at: Pointer): CgroupWrite[] {
  const { weight, leafWeight } = resources.blockIO ?? {}
  const controller = 'blkio'
  const weigh = (name: string, value: string, pointer: Pointer): CgroupWrite => ({
    controller,
    file: `blkio.${name}`,
    value,
    pointer,
    otherwise: { file: `blkio.bfq.${name}`, value },
  })
  const writes: CgroupWrite[] = []
  if (integer(weight) !== 0n) writes.push(weigh('weight', `${weight}`, `${at}/blockIO/weight`))
  const leaf = { controller, file: 'blkio.leaf_weight', pointer: `${at}/blockIO/leafWeight` }
  writes.push(...unlessZero(leafWeight, leaf))
  for (const entry of weightDevices(resources, at)) {
    const { device, pointer } = entry
    if (entry.weight !== 0)
      writes.push(weigh('weight_device', `${device} ${entry.weight}`, pointer))
    const leafDevice = { controller, file: 'blkio.leaf_weight_device', pointer }
    writes.push(...unlessZero(entry.leafWeight, leafDevice, `${device} ${entry.leafWeight}`))
  }
  const throttles = planThrottles(resources, at, (file, _, device, rate) => ({
    controller,
    file,
    value: `${device} ${rate}`,
  }))
  return [...writes, ...throttles]
}

function planNetwork({ network = {} }: LinuxResources, at: Pointer): CgroupWrite[] {
  const { classID, priorities = [] } = network
  const id = { controller: 'net_cls', file: 'net_cls.classid', pointer: `${at}/classID` }
  return [
    ...unlessZero(classID, id),
    ...priorities.map(({ name, priority }, i) => ({
      controller: 'net_prio',
      file: 'net_prio.ifpriomap',
      value: `${name} ${priority}`,
      pointer: `${at}/priorities/${i}`,
    })),
  ]
}
