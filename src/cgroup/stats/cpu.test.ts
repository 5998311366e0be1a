import t from 'tap'
import { cpuStatsV1, cpuStatsV2, parseUsageAll } from './cpu.ts'
import { NO_FILES } from './files.ts'
import { filesOf } from './testing.ts'

const ZERO_PRESSURE = 'some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n'
const NO_TIMES = { avg10: 0, avg60: 0, avg300: 0, total: 0n }

t.test('cpuStatsV1() has times by CPU, and clock ticks in ns', async (t) => {
  const cpu = filesOf({ 'cpu.stat': 'nr_periods 12\nnr_throttled 3\nthrottled_time 456789\n' })
  const cpuacct = filesOf({
    'cpuacct.usage': '11023251\n',
    'cpuacct.usage_percpu': '9732880 1290371 \n',
    'cpuacct.usage_all': 'cpu user system\n0 1732880 8000000\n1 1290371 0\n',
    'cpuacct.stat': 'user 3\nsystem 41\n',
  })
  const stats = cpuStatsV1(cpu, cpuacct)
  t.same(stats, {
    usage: {
      total: 11023251n,
      percpu: [9732880n, 1290371n],
      percpu_kernel: [8000000n, 0n],
      percpu_user: [1732880n, 1290371n],
      kernel: 410_000_000n,
      user: 30_000_000n,
    },
    throttling: { periods: 12n, throttledPeriods: 3n, throttledTime: 456789n },
  })
  const order = ['total', 'percpu', 'percpu_kernel', 'percpu_user', 'kernel', 'user']
  t.same(Object.keys(stats.usage ?? {}), order)
})

t.test('cpuStatsV1() leaves out what is missing or zero', async (t) => {
  t.same(cpuStatsV1(NO_FILES, NO_FILES), {})
  const cpu = filesOf({ 'cpu.stat': 'nr_periods 0\nnr_throttled 0\nthrottled_time 0\n' })
  t.same(cpuStatsV1(cpu, filesOf({ 'cpuacct.usage': '5\n' })), {
    usage: { total: 5n, kernel: 0n, user: 0n },
  })
})

t.test('parseUsageAll() takes the columns it knows', async (t) => {
  t.same(parseUsageAll('cpu user system more\n0 1 2 3\n'), { user: [1n], kernel: [2n] })
  t.throws(() => parseUsageAll('cpu system user\n0 1 2\n'), /unknown columns/)
  t.throws(() => parseUsageAll('cpu user system\n0 1\n'), /is not a number/)
})

t.test('cpuStatsV2() turns microseconds into ns', async (t) => {
  const stat =
    'usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\nnice_usec 0\n' +
    'nr_periods 10\nnr_throttled 0\nthrottled_usec 20\nnr_bursts 0\nburst_usec 0\n'
  const files = filesOf({
    'cpu.stat': stat,
    'cpu.pressure': `some avg10=12.34 avg60=0.50 avg300=100.00 total=18446744073709551615\n`,
  })
  t.same(cpuStatsV2(files), {
    usage: { total: 1_234_567_000n, kernel: 234_567_000n, user: 1_000_000_000n },
    throttling: { periods: 10n, throttledTime: 20_000n },
    psi: {
      some: { avg10: 12.34, avg60: 0.5, avg300: 100, total: 18446744073709551615n },
      full: NO_TIMES,
    },
  })
})

t.test('cpuStatsV2() keeps a pressure that is zero', async (t) => {
  const files = filesOf({
    'cpu.pressure': `${ZERO_PRESSURE}${ZERO_PRESSURE.replace('some', 'full')}`,
  })
  t.same(cpuStatsV2(files), { psi: { some: NO_TIMES, full: NO_TIMES } })
})

t.test('a file that is not as documented is named', async (t) => {
  const files = filesOf({ 'cpu.stat': 'usage_usec many\n' })
  t.throws(() => cpuStatsV2(files), { message: 'unable to parse cpu.stat: "many" is not a number' })
  const pressure = filesOf({ 'cpu.pressure': 'some avg10=x\n' })
  t.throws(() => cpuStatsV2(pressure), /unable to parse cpu.pressure: avg10=x is not a share/)
})
