import t from 'tap'
import type { LinuxResources } from '../../spec/generated/config.ts'
import { bitmaskOf } from './systemd-cpu.ts'
import { planResourceProperties } from './systemd-resources.ts'

const MAX = 2n ** 64n - 1n

/** The properties as `{ name: value }`; every number must be a uint64, every mask bytes. */
function found(
  resources: LinuxResources,
  cgroupVersion: 1 | 2 = 2,
  systemdVersion = 252,
): Record<string, unknown> {
  const { properties } = planResourceProperties(resources, { cgroupVersion, systemdVersion })
  return Object.fromEntries(
    properties.map(({ name, signature, value }) => {
      const type = typeof value === 'bigint' ? 't' : 'ay'
      if (signature !== type) throw new Error(`${name} is ${signature}`)
      return [name, value instanceof Uint8Array ? [...value] : value]
    }),
  )
}

t.test('planResourceProperties() gives memory', (t) => {
  const memory = { limit: 100, reservation: 50, swap: 150 }
  t.same(found({ memory }), { MemoryMax: 100n, MemoryLow: 50n, MemorySwapMax: 50n })
  t.same(found({ memory }, 1), { MemoryLimit: 100n })
  t.same(found({ memory: { limit: -1 } }), { MemoryMax: MAX, MemorySwapMax: MAX })
  t.same(found({ memory: { limit: -1 } }, 1), { MemoryLimit: MAX })
  t.same(found({ memory: { limit: 100, swap: 100 } }), { MemoryMax: 100n, MemorySwapMax: 0n })
  t.same(found({ memory: { limit: 2n ** 62n } }), { MemoryMax: 2n ** 62n })
  t.same(found({ memory: { limit: 0, reservation: -2 } }), {})
  t.throws(() => found({ memory: { limit: 100, swap: 50 } }), {
    message: 'memory+swap limit should be >= memory limit',
    pointer: '/linux/resources/memory/swap',
  })
  t.end()
})

t.test('planResourceProperties() gives the CPU weight', (t) => {
  t.same(found({ cpu: { shares: 1024 } }), { CPUWeight: 100n })
  t.same(found({ cpu: { shares: 1024 } }, 1), { CPUShares: 1024n })
  t.same(found({ cpu: { shares: 0 } }), {})
  t.same(found({ cpu: { shares: 0 } }, 1), {})
  t.end()
})

t.test('planResourceProperties() makes an idle cgroup by weight 0 (systemd 252)', (t) => {
  t.same(found({ cpu: { idle: 1 } }), { CPUWeight: 0n })
  t.same(found({ cpu: { idle: 1, shares: 2 } }, 2, 251), { CPUWeight: 1n })
  t.same(found({ cpu: { idle: 0, shares: 2 } }), { CPUWeight: 1n })
  t.same(found({ cpu: { idle: 1 } }, 1), {})
  const both = planResourceProperties(
    { cpu: { idle: 1, shares: 1024 } },
    { cgroupVersion: 2, systemdVersion: 252 },
  )
  t.same(both.warnings, [
    'unable to apply both CPUWeight and CpuIdle to systemd, ignoring CPUWeight',
  ])
  t.match(both.properties, [{ name: 'CPUWeight', value: 0n }])
  t.end()
})

t.test('planResourceProperties() rounds a quota up to 10 ms in a second', (t) => {
  for (const [quota, period, perSecond, rounded] of [
    [50_000, 100_000, 500_000n, 50_000n],
    [12_345, 50_000, 250_000n, 12_500n],
    [1000, undefined, 10_000n, 1000n],
    [1, 100_000, 10_000n, 1000n],
    [10_001, 1_000_000, 20_000n, 20_000n],
    [33_334, 33_333, 1_010_000n, 33_666n],
    // above a step by less than a microsecond
    [30_000_001, 1_000_000_000, 40_000n, 40_000_000n],
  ] as const) {
    const cpu = period === undefined ? { quota } : { quota, period }
    for (const cgroupVersion of [1, 2] as const) {
      const plan = planResourceProperties({ cpu }, { cgroupVersion, systemdVersion: 242 })
      t.equal(plan.quota, rounded, `${quota} of ${period}`)
      t.ok(rounded >= quota)
      const own = found({ cpu }, cgroupVersion)
      t.equal(own.CPUQuotaPerSecUSec, perSecond)
      t.equal(own.CPUQuotaPeriodUSec, period === undefined ? undefined : BigInt(period))
    }
  }
  t.end()
})

t.test('planResourceProperties() gives an unlimited quota, and a period alone', (t) => {
  t.same(found({ cpu: { quota: -1 } }), { CPUQuotaPerSecUSec: MAX })
  const alone = { cpu: { period: 50_000 } }
  t.same(found(alone), { CPUQuotaPeriodUSec: 50_000n, CPUQuotaPerSecUSec: MAX })
  t.same(found(alone, 2, 241), { CPUQuotaPerSecUSec: MAX })
  const host = { cgroupVersion: 2, systemdVersion: 252 } as const
  t.equal(planResourceProperties({ cpu: { quota: -1 } }, host).quota, -1n)
  t.equal(planResourceProperties(alone, host).quota, undefined)
  t.equal(planResourceProperties({}, host).quota, undefined)
  t.end()
})

t.test('planResourceProperties() gives pids, block weight and cpusets', (t) => {
  for (const version of [1, 2] as const) {
    t.same(found({ pids: { limit: 20 } }, version), { TasksMax: 20n })
    t.same(found({ pids: { limit: 0 } }, version), { TasksMax: 1n })
    t.same(found({ pids: { limit: -1 } }, version), { TasksMax: MAX })
    const cpu = { cpus: '0-2,9', mems: '1' }
    t.same(found({ cpu }, version), { AllowedCPUs: [7, 2], AllowedMemoryNodes: [2] })
    t.same(found({ cpu }, version, 243), {})
    t.same(found({ cpu: { cpus: '', mems: '' } }, version), {})
  }
  t.same(found({ blockIO: { weight: 300 } }, 1), { BlockIOWeight: 300n })
  t.same(found({ blockIO: { weight: 300 } }, 2), {})
  t.throws(() => found({ cpu: { cpus: '3-1' } }), {
    message: 'resources.CPU.Cpus="3-1" conversion error: invalid range: 3-1',
    pointer: '/linux/resources/cpu/cpus',
  })
  t.throws(() => found({ cpu: { mems: 'x' } }), {
    name: 'SpecError',
    pointer: '/linux/resources/cpu/mems',
  })
  t.end()
})

t.test('planResourceProperties() leaves the rest to the files', (t) => {
  const rest: LinuxResources = {
    cpu: { burst: 5, realtimePeriod: 5, realtimeRuntime: 5 },
    hugepageLimits: [{ pageSize: '2MB', limit: 5 }],
    network: { classID: 5 },
    unified: { 'io.max': '8:0 rbps=1', 'memory.oom.group': '1', 'hugetlb.2MB.max': '0' },
  }
  t.same(found(rest, 2), {})
  t.same(found(rest, 1), {})
  t.end()
})

t.test('planResourceProperties() gives unified entries, which win', (t) => {
  for (const [file, text, expected] of [
    ['cpu.max', '50000 100000', { CPUQuotaPeriodUSec: 100_000n, CPUQuotaPerSecUSec: 500_000n }],
    ['cpu.max', 'max', { CPUQuotaPeriodUSec: 100_000n, CPUQuotaPerSecUSec: MAX }],
    ['cpu.max', '12345\t50000\n', { CPUQuotaPeriodUSec: 50_000n, CPUQuotaPerSecUSec: 250_000n }],
    ['cpu.weight', '444', { CPUWeight: 444n }],
    ['cpu.weight', '0', {}],
    ['cpu.idle', '1', { CPUWeight: 0n }],
    ['cpu.idle', '0', {}],
    ['cpuset.cpus', '0,8', { AllowedCPUs: [1, 1] }],
    ['cpuset.cpus', '', {}],
    ['cpuset.mems', '0', { AllowedMemoryNodes: [1] }],
    ['memory.high', '10M', { MemoryHigh: 10_485_760n }],
    ['memory.low', '0', { MemoryLow: 0n }],
    ['memory.min', '4096', { MemoryMin: 4096n }],
    ['memory.max', 'max', { MemoryMax: MAX }],
    ['memory.max', '0', { MemoryMax: 1n }],
    ['memory.swap.max', '0', { MemorySwapMax: 0n }],
    ['pids.max', ' 99 ', { TasksMax: 99n }],
    ['pids.max', '0', { TasksMax: 1n }],
  ] as const) {
    t.same(found({ unified: { [file]: text } }), expected, `${file} ${text}`)
    t.same(found({ unified: { [file]: text } }, 1), {}, 'not on v1')
  }
  const typed: LinuxResources = { memory: { limit: 100 }, pids: { limit: 5 } }
  t.same(found({ ...typed, unified: { 'memory.max': '7', 'pids.max': 'max' } }), {
    MemoryMax: 7n,
    TasksMax: MAX,
  })
  t.same(found({ unified: { 'cpuset.cpus': '0' } }, 2, 243), {})
  t.same(found({ unified: { 'cpu.idle': '1' } }, 2, 251), {})
  t.end()
})

t.test('planResourceProperties() warns of unified cpu.weight beside cpu.idle', (t) => {
  for (const unified of [
    { 'cpu.idle': '1', 'cpu.weight': '10' },
    { 'cpu.weight': '10', 'cpu.idle': ' 1' },
  ]) {
    const plan = planResourceProperties({ unified }, { cgroupVersion: 2, systemdVersion: 252 })
    t.match(plan.properties, [{ name: 'CPUWeight', value: 0n }])
    t.same(plan.warnings, [
      'unable to apply both cpu.weight and cpu.idle to systemd, ignoring cpu.weight',
    ])
  }
  t.end()
})

t.test('planResourceProperties() refuses unified values that are none', (t) => {
  for (const [file, text, message] of [
    ['cpu.max', '1 2 3', 'unified resource "cpu.max" value invalid: "1 2 3"'],
    ['cpu.max', '', 'unified resource "cpu.max" value invalid: ""'],
    ['cpu.max', 'x', /^unified resource "cpu.max" value conversion error/],
    ['pids.max', '-1', /^unified resource "pids.max" value conversion error/],
    ['memory.max', '', /^unified resource "memory.max" value conversion error/],
    ['memory.max', `${2n ** 64n}`, /^unified resource "memory.max" value conversion error/],
    ['memory.max', `${2n ** 63n}G`, /^unified resource "memory.max" value conversion error/],
    ['cpu.weight', 'default', /^unified resource "cpu.weight" value conversion error/],
    ['cpuset.cpus', 'a', 'unified resource "cpuset.cpus"="a" conversion error: invalid range: a'],
  ] as const) {
    const pointer = `/at/unified/${file}`
    const host = { cgroupVersion: 2, systemdVersion: 252 } as const
    const plan = () => planResourceProperties({ unified: { [file]: text } }, host, '/at')
    t.throws(plan, { name: 'SpecError', message, pointer }, `${file} ${text}`)
  }
  t.end()
})

t.test('bitmaskOf() numbers CPUs from the lowest bit of the first byte', (t) => {
  t.same([...bitmaskOf('0')], [1])
  t.same([...bitmaskOf('0-5')], [0x3f])
  t.same([...bitmaskOf('5-8')], [0xe0, 1])
  t.same([...bitmaskOf(' 1, 3 ,')], [10])
  t.equal(bitmaskOf('65535').length, 8192)
  for (const wrong of [
    '',
    ',',
    '-1',
    '1-',
    '1-2-3',
    '2-1',
    'all',
    '65536',
    '0-65535,'.repeat(20),
  ]) {
    t.throws(() => bitmaskOf(wrong), RangeError, wrong)
  }
  t.end()
})
