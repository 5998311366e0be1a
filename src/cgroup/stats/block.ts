/** Statistics of block devices. */
import { type Files, parsed } from './files.ts'
import { type Pressure, pressureIn } from './pressure.ts'
import { linesOf, parseUnsigned, withoutZeros, wordsOf } from './text.ts'

export interface BlockEntry {
  readonly major?: bigint
  readonly minor?: bigint
  /** `Read`, `Write`, `Sync`, `Async`, `Discard`, `Total`. */
  readonly op?: string
  readonly value?: bigint
}

type Table =
  | 'ioServiceBytesRecursive'
  | 'ioServicedRecursive'
  | 'ioQueueRecursive'
  | 'ioServiceTimeRecursive'
  | 'ioWaitTimeRecursive'
  | 'ioMergedRecursive'
  | 'ioTimeRecursive'
  | 'sectorsRecursive'

export type BlockStats = { readonly [K in Table]?: readonly BlockEntry[] } & {
  readonly psi?: Pressure
}

/** Each table and the end of its file's name, in the order of the output. */
const TABLES: readonly (readonly [Table, string])[] = [
  ['ioServiceBytesRecursive', 'io_service_bytes'],
  ['ioServicedRecursive', 'io_serviced'],
  ['ioQueueRecursive', 'io_queued'],
  ['ioServiceTimeRecursive', 'io_service_time'],
  ['ioWaitTimeRecursive', 'io_wait_time'],
  ['ioMergedRecursive', 'io_merged'],
  ['ioTimeRecursive', 'time'],
  ['sectorsRecursive', 'sectors'],
]

/**
 * Where version 1 may have the tables, the best first: which of them count depends on the I/O
 * scheduler and on how the kernel was built.
 */
const SOURCES = [
  { prefix: 'blkio.bfq.', suffix: '_recursive' },
  { prefix: 'blkio.', suffix: '_recursive' },
  { prefix: 'blkio.throttle.', suffix: '_recursive' },
  { prefix: 'blkio.throttle.', suffix: '' },
] as const

/** Of cgroup v1. @see the kernel's admin-guide/cgroup-v1/blkio-controller */
export function blockStatsV1(files: Files): BlockStats {
  const read = (name: string): BlockEntry[] => parsed(files, name, parseBlkio) ?? []
  const source = SOURCES.find(
    ({ prefix, suffix }) => read(`${prefix}io_serviced${suffix}`).length > 0,
  )
  if (source === undefined) return {}
  const { prefix, suffix } = source
  return withoutZeros(
    Object.fromEntries(TABLES.map(([table, name]) => [table, read(`${prefix}${name}${suffix}`)])),
  )
}

/** Lines like `8:0 Read 4096` or `8:0 17`, and a last one, `Total 4096`, that is no device's. */
export function parseBlkio(text: string): BlockEntry[] {
  return linesOf(text)
    .filter((line) => !/^Total \d+$/.test(line))
    .map((line) => {
      const [, major, minor, op = '', value] = /^(\d+):(\d+) (?:(\w+) )?(\d+)$/.exec(line) ?? []
      if (value === undefined) throw new Error(`malformed line: ${JSON.stringify(line)}`)
      return blockEntry(major, minor, op, value)
    })
}

/** How io.stat calls what version 1 has in tables. */
const COUNTERS: Readonly<Record<string, readonly [Table, op: string]>> = {
  rbytes: ['ioServiceBytesRecursive', 'Read'],
  wbytes: ['ioServiceBytesRecursive', 'Write'],
  rios: ['ioServicedRecursive', 'Read'],
  wios: ['ioServicedRecursive', 'Write'],
}

/** Of cgroup v2. @see the kernel's admin-guide/cgroup-v2 "IO Interface Files" */
export function blockStatsV2(files: Files): BlockStats {
  return withoutZeros({
    ...parsed(files, 'io.stat', parseIoStat),
    psi: pressureIn(files, 'io.pressure'),
  })
}

/** Lines like `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`; other members may follow. */
export function parseIoStat(text: string): BlockStats {
  const bytes: BlockEntry[] = []
  const serviced: BlockEntry[] = []
  for (const line of linesOf(text)) {
    const [device = '', ...members] = wordsOf(line)
    const [, major, minor] = /^(\d+):(\d+)$/.exec(device) ?? []
    // statistics of cost may come without a device's number
    if (major === undefined) continue
    for (const member of members) {
      const [name = '', value = ''] = member.split('=')
      const counter = Object.hasOwn(COUNTERS, name) ? COUNTERS[name] : undefined
      if (counter === undefined) continue
      const [table, op] = counter
      const entries = table === 'ioServicedRecursive' ? serviced : bytes
      entries.push(blockEntry(major, minor, op, value))
    }
  }
  return withoutZeros({ ioServiceBytesRecursive: bytes, ioServicedRecursive: serviced })
}

function blockEntry(major = '', minor = '', op: string, value: string): BlockEntry {
  return withoutZeros({
    major: parseUnsigned(major),
    minor: parseUnsigned(minor),
    op,
    value: parseUnsigned(value),
  })
}
