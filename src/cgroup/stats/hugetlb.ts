import { type Files, numberIn, parsed } from './files.ts'
import { parseKeyed, withoutZeros } from './text.ts'

/** Bytes, and how often the limit was in the way. */
export interface HugetlbEntry {
  readonly usage?: bigint
  readonly max?: bigint
  readonly failcnt: bigint
}

/** By page size as the kernel writes it in the names of files: `64KB`, `2MB`, `1GB`. */
export type HugetlbStats = Readonly<Record<string, HugetlbEntry>>

/**
 * Of either version; reservations are what is counted, where the kernel does (Linux 5.7).
 *
 * @see the kernel's admin-guide/cgroup-v2 "HugeTLB Interface Files", cgroup-v1/hugetlb
 */
export function hugetlbStats(files: Files): HugetlbStats {
  const stats: Record<string, HugetlbEntry> = {}
  for (const [size, prefix, isV1] of sizesIn(files)) {
    stats[size] = isV1
      ? {
          ...withoutZeros({
            usage: numberIn(files, `${prefix}.usage_in_bytes`),
            max: numberIn(files, `${prefix}.max_usage_in_bytes`),
          }),
          failcnt: numberIn(files, `${prefix}.failcnt`),
        }
      : {
          ...withoutZeros({ usage: numberIn(files, `${prefix}.current`) }),
          failcnt: parsed(files, `hugetlb.${size}.events`, parseKeyed)?.get('max') ?? 0n,
        }
  }
  return stats
}

/** The sizes, sorted by name, what their files begin with, and whether those are of version 1. */
function sizesIn(files: Files): (readonly [size: string, prefix: string, isV1: boolean])[] {
  const names = new Set(files.names())
  return [...names].sort().flatMap((name) => {
    const [, size, kind] = /^hugetlb\.(\d+[KMG]B)\.(usage_in_bytes|current)$/.exec(name) ?? []
    if (size === undefined || kind === undefined) return []
    const reserved = `hugetlb.${size}.rsvd`
    const prefix = names.has(`${reserved}.${kind}`) ? reserved : `hugetlb.${size}`
    return [[size, prefix, kind === 'usage_in_bytes'] as const]
  })
}
