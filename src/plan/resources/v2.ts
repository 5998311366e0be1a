/** Resources as files of cgroup v2. @see the kernel's admin-guide/cgroup-v2 */
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
import {
  cpuMaxOf,
  cpuWeightOf,
  integer,
  ioWeightOf,
  memoryMaxOf,
  memorySwapOf,
} from './conversions.ts'

/** All but `devices` and `unified`, in the order in which it is written. @throws {SpecError} */
export function planV2(resources: LinuxResources, at: Pointer): CgroupWrite[] {
  refuseInexpressible(resources, at)
  return [
    ...planPids(resources, at),
    ...planMemory(resources, `${at}/memory`),
    ...planIo(resources, at),
    ...planCpu(resources, at),
    ...planCpuset(resources, at),
    ...planHugepages(resources, at, 'max'),
    ...planRdma(resources, at),
  ]
}

/** What cgroup v2 has nothing for, and programs do not send without meaning it (M-085). */
function refuseInexpressible({ cpu, blockIO, network }: LinuxResources, at: Pointer): void {
  const asked: [boolean, string][] = [
    [integer(cpu?.realtimeRuntime) !== 0n, 'cpu/realtimeRuntime'],
    [integer(cpu?.realtimePeriod) !== 0n, 'cpu/realtimePeriod'],
    [integer(blockIO?.leafWeight) !== 0n, 'blockIO/leafWeight'],
    [integer(network?.classID) !== 0n, 'network/classID'],
    [(network?.priorities ?? []).length > 0, 'network/priorities'],
  ]
  blockIO?.weightDevice?.forEach(({ leafWeight }, i) => {
    asked.push([integer(leafWeight) !== 0n, `blockIO/weightDevice/${i}/leafWeight`])
  })
  const first = asked.find(([isAsked]) => isAsked)?.[1]
  if (first === undefined) return
  throw new SpecError(`${first.replaceAll('/', '.')} cannot be set on cgroup v2`, `${at}/${first}`)
}

function planMemory({ memory = {} }: LinuxResources, at: Pointer): CgroupWrite[] {
  const controller = 'memory'
  const { limit, swap, reservation, checkBeforeUpdate } = memory
  const isChecked = checkBeforeUpdate === true
  const writes: CgroupWrite[] = []
  const swapMax = memorySwapOf(memory, at)
  if (swapMax !== undefined) {
    const bytes = integer(swap)
    writes.push({
      controller,
      file: 'memory.swap.max',
      value: swapMax,
      pointer: bytes === 0n ? `${at}/limit` : `${at}/swap`,
      // a kernel without swap uses none
      ...((swapMax === 'max' || swapMax === '0') && { isOptional: true }),
      ...(isChecked && bytes > 0n && { aboveUsage: aboveUsage('memory+swap limit', bytes) }),
    })
  }
  const max = memoryMaxOf(limit)
  if (max !== undefined) {
    const bytes = integer(limit)
    writes.push({
      controller,
      file: 'memory.max',
      value: max,
      pointer: `${at}/limit`,
      ...(isChecked && bytes > 0n && { aboveUsage: aboveUsage('memory limit', bytes) }),
    })
  }
  const low = memoryMaxOf(reservation)
  if (low !== undefined) {
    writes.push({ controller, file: 'memory.low', value: low, pointer: `${at}/reservation` })
  }
  return writes
}

function aboveUsage(name: string, bytes: bigint): { bytes: string; name: string } {
  return { bytes: `${bytes}`, name }
}

function planIo(resources: LinuxResources, at: Pointer): CgroupWrite[] {
  const controller = 'io'
  const weigh = (weight: number, device: string, pointer: Pointer): CgroupWrite => ({
    controller,
    file: 'io.bfq.weight',
    value: `${device}${weight}`,
    pointer,
    otherwise: { file: 'io.weight', value: `${device}${ioWeightOf(weight)}` },
  })
  const writes: CgroupWrite[] = []
  const weight = resources.blockIO?.weight ?? 0
  if (weight !== 0) writes.push(weigh(weight, '', `${at}/blockIO/weight`))
  for (const entry of weightDevices(resources, at)) {
    if (entry.weight !== 0) writes.push(weigh(entry.weight, `${entry.device} `, entry.pointer))
  }
  const throttles = planThrottles(resources, at, (_, word, device, rate) => ({
    controller,
    file: 'io.max',
    value: `${device} ${word}=${rate === '0' ? 'max' : rate}`,
  }))
  return [...writes, ...throttles]
}

/** cpu.idle before cpu.weight, which the kernel does not take from a group that is idle. */
function planCpu(resources: LinuxResources, at: Pointer): CgroupWrite[] {
  const { shares, quota, period } = resources.cpu ?? {}
  const controller = 'cpu'
  const writes: CgroupWrite[] = [...planIdle(resources, at)]
  const weight = cpuWeightOf(shares)
  if (weight !== undefined) {
    const pointer = `${at}/cpu/shares`
    writes.push({ controller, file: 'cpu.weight', value: `${weight}`, pointer })
  }
  writes.push(...planBurst(resources, at, 'cpu.max.burst'))
  const max = cpuMaxOf(quota, period)
  if (max !== undefined) {
    const pointer = `${at}/cpu/${integer(quota) === 0n ? 'period' : 'quota'}`
    writes.push({ controller, file: 'cpu.max', value: max, pointer })
  }
  return writes
}
