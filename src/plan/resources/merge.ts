/** What `update` makes of the resources that a container has. */
import type { LinuxBlockIo, LinuxCpu, LinuxResources } from '../../../spec/generated/config.ts'
import { integer } from './conversions.ts'

export interface MergedResources {
  /** What the container has from now on: what the next update starts from. */
  readonly saved: LinuxResources
  /** What is to be written now; everything else the kernel has already. */
  readonly written: LinuxResources
}

/**
 * Lays `update` over `saved`. Where runc forgets what the update does not name, so that the kernel
 * keeps it, tsrun leaves the kernel alone as well, but remembers it: a quota for a later period, and
 * everything for the case that an update fails and `saved` is to be written again.
 *
 * Devices, huge pages, network and RDMA cannot be updated: what `update` says of them is ignored.
 *
 * @param saved - as an earlier call, or config.json, has it
 * @param update - new values; absent ones stay, but that unlimited memory without a word on swap
 *   means unlimited swap too, and cpu.idle without cpu.shares no weight
 */
export function mergeResources(saved: LinuxResources, update: LinuxResources): MergedResources {
  const written: LinuxResources = {}
  const merged: LinuxResources = { ...saved }
  mergeMemory(saved, update, merged, written)
  mergeCpu(saved, update, merged, written)
  if (update.blockIO !== undefined) {
    written.blockIO = update.blockIO
    merged.blockIO = mergeBlockIo(saved.blockIO ?? {}, update.blockIO)
  }
  if (update.pids?.limit !== undefined) {
    written.pids = update.pids
    merged.pids = update.pids
  }
  if (update.unified !== undefined) written.unified = update.unified
  const unified = mergeUnified(saved, update)
  if (Object.keys(unified).length > 0) merged.unified = unified
  else delete merged.unified
  return { saved: merged, written }
}

/** The part of `object` that is there. */
function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> }
}

function isEmpty(object: object): boolean {
  return Object.keys(object).length === 0
}

function mergeMemory(
  saved: LinuxResources,
  update: LinuxResources,
  merged: LinuxResources,
  written: LinuxResources,
): void {
  if (update.memory === undefined) return
  const { limit, swap, reservation, checkBeforeUpdate } = update.memory
  const given = defined({ limit, swap, reservation })
  if (isEmpty(given)) return
  const { checkBeforeUpdate: _, ...before } = saved.memory ?? {}
  const memory = { ...before, ...given }
  // 0 follows the limit, now and later
  if (limit !== undefined && BigInt(limit) === -1n && swap === undefined) memory.swap = 0
  merged.memory = memory
  written.memory = defined({
    // the swap limit is one of both together: each of them changes what it comes to
    ...((limit !== undefined || swap !== undefined) && { limit: memory.limit, swap: memory.swap }),
    reservation,
    checkBeforeUpdate,
  })
}

function mergeCpu(
  saved: LinuxResources,
  update: LinuxResources,
  merged: LinuxResources,
  written: LinuxResources,
): void {
  if (update.cpu === undefined) return
  const { quota, period, ...others } = defined(update.cpu)
  const cpu: LinuxCpu = { ...saved.cpu, ...others }
  const now: LinuxCpu = { ...others }
  if (integer(quota) !== 0n || integer(period) !== 0n) {
    // cgroup v2 has them in one file
    const pair = defined({
      quota: integer(quota) === 0n ? saved.cpu?.quota : quota,
      period: integer(period) === 0n ? saved.cpu?.period : period,
    })
    Object.assign(cpu, pair)
    Object.assign(now, pair)
  }
  // an idle group has no weight, and one that is given a weight is not idle any more
  if (others.idle !== undefined && others.shares === undefined) delete cpu.shares
  if (integer(others.shares) !== 0n && others.idle === undefined) delete cpu.idle
  merged.cpu = cpu
  if (!isEmpty(now)) written.cpu = now
}

const DEVICE_LISTS = [
  'weightDevice',
  'throttleReadBpsDevice',
  'throttleWriteBpsDevice',
  'throttleReadIOPSDevice',
  'throttleWriteIOPSDevice',
] as const

function mergeBlockIo(saved: LinuxBlockIo, update: LinuxBlockIo): LinuxBlockIo {
  const merged: LinuxBlockIo = { ...saved, ...defined(update) }
  for (const list of DEVICE_LISTS) {
    const devices = update[list]
    if (devices !== undefined) merged[list] = mergeDevices<Device>(saved[list] ?? [], devices)
  }
  return merged
}

interface Device {
  major: number | bigint
  minor: number | bigint
}

/** The last entry of a device is the one that counts, for it is written last. */
function mergeDevices<T extends Device>(saved: readonly T[], update: readonly T[]): T[] {
  const merged = [...saved]
  for (const device of update) {
    const place = merged.findLastIndex(
      ({ major, minor }) =>
        BigInt(major) === BigInt(device.major) && BigInt(minor) === BigInt(device.minor),
    )
    if (place < 0) merged.push(device)
    else merged[place] = { ...merged[place], ...device }
  }
  return merged
}

/** Which controllers the files of a part of the resources belong to. */
const CONTROLLERS = {
  memory: ['memory'],
  cpu: ['cpu', 'cpuset'],
  blockIO: ['io'],
  pids: ['pids'],
} as const

/** An older entry goes when a newer value of its controller may have taken its file. */
function mergeUnified(saved: LinuxResources, update: LinuxResources): Record<string, string> {
  const taken = new Set<string>()
  for (const part of ['memory', 'cpu', 'blockIO', 'pids'] as const) {
    if (isEmpty(defined(update[part] ?? {}))) continue
    for (const controller of CONTROLLERS[part]) taken.add(controller)
  }
  const kept = Object.entries(saved.unified ?? {}).filter(
    ([file]) => !taken.has(file.split('.', 1)[0] ?? ''),
  )
  return { ...Object.fromEntries(kept), ...update.unified }
}
