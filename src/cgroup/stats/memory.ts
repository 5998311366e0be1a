/** Statistics of memory. */
import { type Files, numberIn, parsed } from './files.ts'
import { type Pressure, pressureIn } from './pressure.ts'
import { parseKeyed, UNLIMITED, unlessZero, withoutZeros } from './text.ts'

/** Bytes, and how often the limit was in the way. */
export interface MemoryEntry {
  readonly limit: bigint
  readonly usage?: bigint
  readonly max?: bigint
  readonly failcnt: bigint
}

export interface MemoryStats {
  readonly cache?: bigint
  readonly usage?: MemoryEntry
  /** Memory and swap together. */
  readonly swap?: MemoryEntry
  readonly kernel?: MemoryEntry
  readonly kernelTCP?: MemoryEntry
  /** memory.stat, its names sorted. */
  readonly raw?: Readonly<Record<string, bigint>>
  readonly psi?: Pressure
}

/** All numbers of an entry, zeros included. */
interface Numbers {
  readonly limit: bigint
  readonly usage: bigint
  readonly max: bigint
  readonly failcnt: bigint
}

/** Of cgroup v1. @see the kernel's admin-guide/cgroup-v1/memory */
export function memoryStatsV1(files: Files): MemoryStats {
  const stat = parsed(files, 'memory.stat', parseKeyed)
  const data = (prefix: string): MemoryEntry | undefined =>
    entry({
      limit: numberIn(files, `${prefix}.limit_in_bytes`),
      usage: numberIn(files, `${prefix}.usage_in_bytes`),
      max: numberIn(files, `${prefix}.max_usage_in_bytes`),
      failcnt: numberIn(files, `${prefix}.failcnt`),
    })
  return withoutZeros({
    cache: stat?.get('cache'),
    usage: data('memory'),
    swap: data('memory.memsw'),
    kernel: data('memory.kmem'),
    kernelTCP: data('memory.kmem.tcp'),
    raw: sorted(stat),
  })
}

/** Of cgroup v2. @see the kernel's admin-guide/cgroup-v2 "Memory Interface Files" */
export function memoryStatsV2(files: Files): MemoryStats {
  const stat = parsed(files, 'memory.stat', parseKeyed)
  const memory: Numbers = {
    limit: numberIn(files, 'memory.max'),
    usage: numberIn(files, 'memory.current'),
    max: numberIn(files, 'memory.peak'),
    failcnt: 0n,
  }
  return withoutZeros({
    cache: stat?.get('file'),
    usage: entry(memory),
    swap: entry({
      // as in cgroup v1, where a limit and a usage of swap include those of memory
      limit: sum(numberIn(files, 'memory.swap.max'), memory.limit),
      usage: sum(numberIn(files, 'memory.swap.current'), memory.usage),
      max: 0n,
      failcnt: 0n,
    }),
    raw: sorted(stat),
    psi: pressureIn(files, 'memory.pressure'),
  })
}

/** At most `UNLIMITED`, which stays what it is. */
function sum(a: bigint, b: bigint): bigint {
  const both = a + b
  if (both > UNLIMITED) return UNLIMITED
  return both
}

function entry(numbers: Numbers): MemoryEntry | undefined {
  if (unlessZero(numbers) === undefined) return undefined
  const { limit, usage, max, failcnt } = numbers
  return { limit, ...withoutZeros({ usage, max }), failcnt }
}

function sorted(stat: ReadonlyMap<string, bigint> | undefined): Record<string, bigint> | undefined {
  if (stat === undefined || stat.size === 0) return undefined
  return Object.fromEntries([...stat].sort(([a], [b]) => (a < b ? -1 : 1)))
}
