/** Statistics of processor time. */
import { type Files, numberIn, parsed } from './files.ts'
import { type Pressure, pressureIn } from './pressure.ts'
import {
  linesOf,
  parseKeyed,
  parseNumbers,
  parseUnsigned,
  unlessZero,
  withoutZeros,
} from './text.ts'

/** Nanoseconds. */
export interface CpuUsage {
  readonly total?: bigint
  /** One number for each CPU. */
  readonly percpu?: readonly bigint[]
  readonly percpu_kernel?: readonly bigint[]
  readonly percpu_user?: readonly bigint[]
  readonly kernel: bigint
  readonly user: bigint
}

export interface CpuStats {
  readonly usage?: CpuUsage
  readonly throttling?: {
    readonly periods?: bigint
    readonly throttledPeriods?: bigint
    /** Nanoseconds. */
    readonly throttledTime?: bigint
  }
  readonly psi?: Pressure
}

const NS_PER_US = 1000n
/** A clock tick, as the kernel shows it to programs, is 10 ms on every architecture here. */
const NS_PER_TICK = 10_000_000n

/** Of cgroup v2. @see the kernel's admin-guide/cgroup-v2 "CPU Interface Files" */
export function cpuStatsV2(files: Files): CpuStats {
  const stat = parsed(files, 'cpu.stat', parseKeyed)
  const value = (name: string): bigint => stat?.get(name) ?? 0n
  return {
    ...usage({
      total: value('usage_usec') * NS_PER_US,
      kernel: value('system_usec') * NS_PER_US,
      user: value('user_usec') * NS_PER_US,
    }),
    ...throttling(value('nr_periods'), value('nr_throttled'), value('throttled_usec') * NS_PER_US),
    ...withoutZeros({ psi: pressureIn(files, 'cpu.pressure') }),
  }
}

/**
 * Of cgroup v1.
 *
 * @param cpu - files of the controller of that name
 * @param cpuacct - those of the other one
 * @see the kernel's admin-guide/cgroup-v1/cpuacct, scheduler/sched-bwc
 */
export function cpuStatsV1(cpu: Files, cpuacct: Files): CpuStats {
  const stat = parsed(cpu, 'cpu.stat', parseKeyed)
  const value = (name: string): bigint => stat?.get(name) ?? 0n
  return {
    ...usage(accountedV1(cpuacct)),
    ...throttling(value('nr_periods'), value('nr_throttled'), value('throttled_time')),
  }
}

function accountedV1(files: Files): CpuUsage {
  const ticks = parsed(files, 'cpuacct.stat', parseKeyed)
  const all = parsed(files, 'cpuacct.usage_all', parseUsageAll)
  return {
    total: numberIn(files, 'cpuacct.usage'),
    percpu: parsed(files, 'cpuacct.usage_percpu', parseNumbers) ?? [],
    percpu_kernel: all?.kernel ?? [],
    percpu_user: all?.user ?? [],
    kernel: (ticks?.get('system') ?? 0n) * NS_PER_TICK,
    user: (ticks?.get('user') ?? 0n) * NS_PER_TICK,
  }
}

/**
 * A header, `cpu user system`, then a line of three numbers for each CPU.
 *
 * @throws {Error} for a header or a number of another form
 */
export function parseUsageAll(text: string): { kernel: bigint[]; user: bigint[] } {
  const [header = '', ...lines] = linesOf(text)
  if (!header.startsWith('cpu user system')) throw new Error(`unknown columns: ${header}`)
  const rows = lines.map((line) => line.split(' '))
  return {
    user: rows.map(([, user = '']) => parseUnsigned(user)),
    kernel: rows.map(([, , kernel = '']) => parseUnsigned(kernel)),
  }
}

function usage(numbers: CpuUsage): Pick<CpuStats, 'usage'> {
  if (unlessZero(numbers) === undefined) return {}
  const { kernel, user, ...others } = numbers
  return { usage: { ...withoutZeros(others), kernel, user } }
}

function throttling(
  periods: bigint,
  throttledPeriods: bigint,
  throttledTime: bigint,
): Pick<CpuStats, 'throttling'> {
  const throttling = unlessZero({ periods, throttledPeriods, throttledTime })
  return throttling === undefined ? {} : { throttling: withoutZeros(throttling) }
}
