/** What `events` reports of Intel RDT. */
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { readDirectory, readFile } from '../sys/file.ts'
import { openClass, openGroup, readSchemata } from './group.ts'
import { openResctrl, type ResctrlTree } from './mount.ts'
import type { ResctrlState } from './resctrl.ts'

/** The `intel_rdt` member of the statistics; members that are zero or empty are absent. */
export interface ResctrlStats {
  l3_cache_info?: { cbm_mask?: string; min_cbm_bits?: bigint; num_closids?: bigint }
  l3_cache_schema_root?: string
  l3_cache_schema?: string
  mem_bw_info?: {
    bandwidth_gran?: bigint
    delay_linear?: bigint
    min_bandwidth?: bigint
    num_closids?: bigint
  }
  mem_bw_schema_root?: string
  mem_bw_schema?: string
  /** The lines of the class, blanks around them removed. */
  schemata?: string[]
  /** Bytes, by cache; those of a nested group without own monitoring are its class's. */
  mbm_stats?: { mbm_total_bytes?: bigint; mbm_local_bytes?: bigint }[]
  /** Bytes, by cache. */
  cmt_stats?: { llc_occupancy?: bigint }[]
}

/**
 * Reads the state of the container's class of service, and how much of the cache and the memory
 * bandwidth it uses: by its own monitoring group if it has one, else by the whole class.
 *
 * @param state - undefined for a container without `linux.intelRdt`
 * @returns an empty object without it, and without resctrl
 * @throws {SyscallError} the class is gone
 * @see the kernel's filesystems/resctrl.rst "Info directory", "mon_data"
 */
export function readResctrlStats(state: ResctrlState | undefined): ResctrlStats {
  if (state === undefined) return {}
  using tree = openResctrl()
  if (tree === undefined) return {}
  using group = openClass(tree, state.group)
  const root = linesOf(tree.root)
  const own = linesOf(group)
  return {
    ...(tree.has('L3') ? cacheStats(tree, root, own) : {}),
    ...(tree.has('MB') ? bandwidthStats(tree, root, own) : {}),
    ...(own.length > 0 ? { schemata: own } : {}),
    ...monitoringStats(tree, group, state.monitor),
  }
}

function linesOf(group: Fd): string[] {
  return readSchemata(group)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

function cacheStats(tree: ResctrlTree, root: string[], own: string[]): ResctrlStats {
  const mask = readIfAny(tree.root, 'info/L3/cbm_mask')
  return {
    l3_cache_info: {
      ...(mask === '' ? {} : { cbm_mask: mask }),
      ...numbersIn(tree.root, 'info/L3', ['min_cbm_bits', 'num_closids']),
    },
    ...schema('l3_cache_schema_root', root, 'L3'),
    ...schema('l3_cache_schema', own, 'L3'),
  }
}

function bandwidthStats(tree: ResctrlTree, root: string[], own: string[]): ResctrlStats {
  const names = ['bandwidth_gran', 'delay_linear', 'min_bandwidth', 'num_closids'] as const
  return {
    mem_bw_info: numbersIn(tree.root, 'info/MB', names),
    ...schema('mem_bw_schema_root', root, 'MB'),
    ...schema('mem_bw_schema', own, 'MB'),
  }
}

function schema<K extends string>(
  key: K,
  lines: readonly string[],
  resource: string,
): Partial<Record<K, string>> {
  const line = lines.find((line) => line.startsWith(resource))
  return line === undefined ? {} : ({ [key]: line } as Record<K, string>)
}

function monitoringStats(tree: ResctrlTree, group: Fd, monitor: string | undefined): ResctrlStats {
  const features = readIfAny(tree.root, 'info/L3_MON/mon_features').split('\n')
  const bandwidth = (['mbm_total_bytes', 'mbm_local_bytes'] as const).filter((name) =>
    features.includes(name),
  )
  const hasOccupancy = features.includes('llc_occupancy')
  if (bandwidth.length === 0 && !hasOccupancy) return {}
  using data = openGroup(
    group,
    monitor === undefined ? 'mon_data' : `mon_groups/${monitor}/mon_data`,
  )
  const caches = readDirectory(data)
    .filter((name) => name.startsWith('mon_L3_'))
    .sort()
  if (caches.length === 0) return {}
  return {
    ...(bandwidth.length > 0
      ? { mbm_stats: caches.map((cache) => numbersIn(data, cache, bandwidth)) }
      : {}),
    ...(hasOccupancy
      ? { cmt_stats: caches.map((cache) => numbersIn(data, cache, ['llc_occupancy'])) }
      : {}),
  }
}

/** The files that hold a number other than 0; the kernel may have `Unavailable` in them. */
function numbersIn<K extends string>(
  dir: Fd,
  path: string,
  names: readonly K[],
): Partial<Record<K, bigint>> {
  const found: Partial<Record<K, bigint>> = {}
  for (const name of names) {
    const text = readIfAny(dir, `${path}/${name}`)
    if (/^[0-9]+$/.test(text) && BigInt(text) !== 0n) found[name] = BigInt(text)
  }
  return found
}

/** Trimmed; empty if there is no such file, or the hardware has no answer. */
function readIfAny(dir: Fd, path: string): string {
  try {
    return readFile(dir, path).trim()
  } catch (error) {
    if (isErrno(error, E.NOENT, E.IO)) return ''
    throw error
  }
}
