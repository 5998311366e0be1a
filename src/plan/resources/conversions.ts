/** Values of config.json, which are those of cgroup v1, as cgroup v2 wants them. */
import type { LinuxMemory } from '../../../spec/generated/config.ts'
import { type Pointer, SpecError } from '../../base/errors.ts'

/** A 64-bit integer of config.json: a bigint beyond 2^53. */
export type Integer = number | bigint

/** Microseconds: the kernel's default, also taken when only a quota is given. */
export const DEFAULT_CPU_PERIOD = 100_000n

const SMALLEST_SHARES = 2n
const LARGEST_SHARES = 262_144n
const LARGEST_WEIGHT = 10_000

/** The value for calculations; absent is 0, which nearly everywhere means "leave it alone". */
export function integer(value: Integer | undefined): bigint {
  return value === undefined ? 0n : BigInt(value)
}

/**
 * `cpu.shares` as `cpu.weight`: 2 to 1, 1024 to 100, 262144 to 10000; in between a curve through
 * these three, 10^((l^2 + 125 l) / 612 - 7/34) rounded up, with l = log2(shares).
 *
 * @param shares - what is out of range is taken as the nearest that is in it
 * @returns 1 to 10000; undefined for 0 or absent, which sets nothing
 */
export function cpuWeightOf(shares: Integer | undefined): number | undefined {
  const wanted = integer(shares)
  if (wanted === 0n) return undefined
  if (wanted <= SMALLEST_SHARES) return 1
  if (wanted >= LARGEST_SHARES) return LARGEST_WEIGHT
  const l = Math.log2(Number(wanted))
  // one division: with two, 1024 would give 100.00000000000004, rounded up 101
  return Math.ceil(10 ** ((l * l + 125 * l - 126) / 612))
}

/**
 * `quota` and `period` as `cpu.max`: `50000 100000`, `max 100000`.
 *
 * @param quota - microseconds; not above 0: no limit
 * @param period - microseconds; 0 or absent: 100000
 * @returns undefined if neither is given, or both are 0
 */
export function cpuMaxOf(
  quota: Integer | undefined,
  period: Integer | undefined,
): string | undefined {
  const runtime = integer(quota)
  const length = integer(period)
  if (runtime === 0n && length === 0n) return undefined
  return `${runtime > 0n ? runtime : 'max'} ${length === 0n ? DEFAULT_CPU_PERIOD : length}`
}

/**
 * Bytes as `memory.max` and `memory.low` take them.
 *
 * @returns undefined for 0 or absent, `max` for -1; other negative values as they are: the kernel
 *   refuses them
 */
export function memoryMaxOf(bytes: Integer | undefined): string | undefined {
  const value = integer(bytes)
  if (value === 0n) return undefined
  return value === -1n ? 'max' : `${value}`
}

/**
 * `memory.swap`, which counts memory and swap together, as `memory.swap.max`, which does not.
 *
 * @param at - pointer of the memory object
 * @returns undefined when nothing is set; `max`, or bytes (`0`: no swap)
 * @throws {SpecError} for a swap limit without a memory limit, or below it
 */
export function memorySwapOf(
  { limit, swap }: Pick<LinuxMemory, 'limit' | 'swap'>,
  at: Pointer = '/linux/resources/memory',
): string | undefined {
  const memory = integer(limit)
  const both = integer(swap)
  // on cgroup v1 unlimited memory would be limited still by a swap limit that stays
  if (both === 0n) return memory === -1n ? 'max' : undefined
  if (both === -1n) return 'max'
  const refuse = (message: string): SpecError => new SpecError(message, `${at}/swap`)
  if (memory === 0n) throw refuse('unable to set swap limit without memory limit')
  if (memory === -1n) return `${both}`
  if (memory < -1n) throw new SpecError(`invalid memory limit ${memory}`, `${at}/limit`)
  if (both < memory) throw refuse('memory+swap limit should be >= memory limit')
  return `${both - memory}`
}

/**
 * `pids.limit` as `pids.max`, the same on cgroup v1.
 *
 * @returns 0 as `1`, for the kernel would let nothing start; negative as `max`; undefined if absent
 */
export function pidsMaxOf(limit: Integer | undefined): string | undefined {
  if (limit === undefined) return undefined
  const value = BigInt(limit)
  if (value < 0n) return 'max'
  return value === 0n ? '1' : `${value}`
}

/**
 * A weight of the blkio controller (10 to 1000) as one of `io.weight` (1 to 10000): 750 to 7475.
 *
 * @returns a value out of the range for one that is out of the range: the kernel refuses it
 */
export function ioWeightOf(weight: number): number {
  return 1 + Math.trunc(((weight - 10) * 9999) / 990)
}
