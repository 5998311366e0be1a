import type { LinuxCpu, LinuxMemory, LinuxResources } from '../../spec/generated/config.ts'
import { messageOf } from '../base/errors.ts'
import { updateContainer } from '../container/update.ts'
import { parseSize } from '../plan/resources/size.ts'
import { Fd } from '../sys/fd.ts'
import { O, open, readText } from '../sys/file.ts'
import { defineCommand, type OptionValues } from './define.ts'

const OPTIONS = {
  resources: {
    type: 'string',
    alias: 'r',
    metavar: 'FILE',
    default: '',
    summary: 'JSON file with the resources (- for stdin); other limits given are then ignored',
  },
  'blkio-weight': {
    type: 'integer',
    default: 0,
    metavar: 'WEIGHT',
    summary: 'weight of block I/O, 10 to 1000',
  },
  'cpu-period': { type: 'string', metavar: 'US', summary: 'period of the CPU quota, microseconds' },
  'cpu-quota': { type: 'string', metavar: 'US', summary: 'CPU time in a period; -1: no limit' },
  'cpu-burst': { type: 'string', metavar: 'US', summary: 'CPU time that may be saved up' },
  'cpu-share': { type: 'string', metavar: 'SHARES', summary: 'share of CPU time, 2 to 262144' },
  'cpu-rt-period': { type: 'string', metavar: 'US', summary: 'period of the real-time quota' },
  'cpu-rt-runtime': { type: 'string', metavar: 'US', summary: 'real-time CPU time in a period' },
  'cpuset-cpus': { type: 'string', metavar: 'LIST', default: '', summary: 'CPUs: 0-3,7' },
  'cpuset-mems': { type: 'string', metavar: 'LIST', default: '', summary: 'memory nodes' },
  'kernel-memory': { type: 'string', hidden: true, summary: 'ignored' },
  'kernel-memory-tcp': { type: 'string', hidden: true, summary: 'ignored' },
  memory: { type: 'string', metavar: 'BYTES', summary: 'memory limit: 512m; -1: no limit' },
  'memory-reservation': { type: 'string', metavar: 'BYTES', summary: 'soft memory limit' },
  'memory-swap': { type: 'string', metavar: 'BYTES', summary: 'limit of memory and swap together' },
  'pids-limit': { type: 'integer', metavar: 'N', summary: 'number of processes; -1: no limit' },
  'l3-cache-schema': {
    type: 'string',
    default: '',
    metavar: 'SCHEMA',
    summary: 'L3 cache allocation of Intel RDT',
  },
  'mem-bw-schema': {
    type: 'string',
    default: '',
    metavar: 'SCHEMA',
    summary: 'memory bandwidth allocation of Intel RDT',
  },
  'cpu-idle': { type: 'string', metavar: '0|1', summary: 'run only when nothing else wants to' },
} as const

type Options = OptionValues<typeof OPTIONS>
type Name = {
  [K in keyof Options]: Options[K] extends string | undefined ? K : never
}[keyof Options]

const INTEGERS = { signed: [-(2n ** 63n), 2n ** 63n - 1n], unsigned: [0n, 2n ** 64n - 1n] } as const

/**
 * The integer of an option; undefined if it is not given.
 *
 * @throws {Error} for what is none, or does not fit into 64 bits
 */
function integerOf(
  options: Options,
  name: Name,
  kind: keyof typeof INTEGERS,
): number | bigint | undefined {
  const text = options[name]
  if (text === undefined || text === '') return undefined
  const [least, most] = INTEGERS[kind]
  const value = /^[+-]?\d+$/.test(text) ? BigInt(text.replace('+', '')) : undefined
  if (value === undefined || value < least || value > most) {
    const why = value === undefined ? 'invalid syntax' : 'value out of range'
    throw new Error(`invalid value for ${name}: parsing ${JSON.stringify(text)}: ${why}`)
  }
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

function sizeOf(options: Options, name: Name): number | bigint | undefined {
  const text = options[name]
  if (text === undefined || text === '') return undefined
  try {
    return parseSize(text)
  } catch (error) {
    throw new Error(`invalid value for ${name}: ${messageOf(error)}`, { cause: error })
  }
}

/** The members that are given. */
function given<T extends object>(members: { [K in keyof T]?: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T
}

function resourcesOf(options: Options): LinuxResources {
  const limit = options['pids-limit']
  const weight = options['blkio-weight']
  return {
    memory: given<LinuxMemory>({
      limit: sizeOf(options, 'memory'),
      reservation: sizeOf(options, 'memory-reservation'),
      swap: sizeOf(options, 'memory-swap'),
    }),
    cpu: given<LinuxCpu>({
      shares: integerOf(options, 'cpu-share', 'unsigned'),
      quota: integerOf(options, 'cpu-quota', 'signed'),
      period: integerOf(options, 'cpu-period', 'unsigned'),
      burst: integerOf(options, 'cpu-burst', 'unsigned'),
      realtimePeriod: integerOf(options, 'cpu-rt-period', 'unsigned'),
      realtimeRuntime: integerOf(options, 'cpu-rt-runtime', 'signed'),
      idle: integerOf(options, 'cpu-idle', 'signed'),
      cpus: options['cpuset-cpus'] || undefined,
      mems: options['cpuset-mems'] || undefined,
    }),
    ...(weight !== 0 && { blockIO: { weight } }),
    ...(limit !== undefined && { pids: { limit } }),
  }
}

/** Resources take a few kilobytes. */
const LARGEST_FILE = 16 << 20

function readResources(path: string): { name: string; text: string } {
  if (path === '-') {
    return { name: 'stdin', text: readText(new Fd(0, 'stdin'), LARGEST_FILE) }
  }
  using file = open(undefined, path, O.RDONLY)
  return { name: path, text: readText(file, LARGEST_FILE) }
}

export default defineCommand({
  name: 'update',
  summary: "change a container's limits",
  usage: '<container-id>',
  description: 'Limits that are not named stay as they are; so do device rules.',
  args: { min: 1, max: 1 },
  options: OPTIONS,
  async run({ options, args: [id = ''], runtime }) {
    const file = options.resources === '' ? undefined : readResources(options.resources)
    if (options['kernel-memory'] !== undefined || options['kernel-memory-tcp'] !== undefined) {
      runtime.log.warning('Kernel memory settings are ignored and will be removed')
    }
    const update = {
      ...(file && { file }),
      resources: file ? {} : resourcesOf(options),
      l3CacheSchema: options['l3-cache-schema'],
      memBwSchema: options['mem-bw-schema'],
    }
    await updateContainer(runtime.root, id, update, runtime.log)
    return 0
  },
})
