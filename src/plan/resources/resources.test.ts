import t from 'tap'
import type { LinuxResources } from '../../../spec/generated/config.ts'
import { SpecError } from '../../base/errors.ts'
import { ignoredResources, planResources } from './resources.ts'

type Mode = 'v1' | 'hybrid' | 'v2'

/** `controller file=value`, with a mark for each special treatment. */
function lines(resources: LinuxResources, mode: Mode): string[] {
  return planResources(resources, mode).map((write) => {
    const marks = [
      write.isOptional && ' optional',
      write.isDeferred && ' deferred',
      write.isUnified && ' unified',
      write.otherwise && ` else ${write.otherwise.file}=${write.otherwise.value}`,
      write.aboveUsage && ` if ${write.aboveUsage.name} ${write.aboveUsage.bytes}`,
    ]
    return `${write.controller} ${write.file}=${write.value}${marks.filter(Boolean).join('')}`
  })
}

function pointers(resources: LinuxResources, mode: Mode): string[] {
  return planResources(resources, mode, '').map(({ pointer }) => pointer)
}

const EVERYTHING: LinuxResources = {
  memory: { limit: 100, swap: 300, reservation: 50 },
  cpu: { shares: 1024, quota: 5000, period: 10_000, burst: 100, idle: 0, cpus: '0-1', mems: '0' },
  pids: { limit: 7 },
  blockIO: {
    weight: 500,
    weightDevice: [{ major: 8, minor: 0, weight: 750 }],
    throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1 }],
    throttleWriteBpsDevice: [{ major: 8, minor: 0, rate: 2 }],
    throttleReadIOPSDevice: [{ major: 8, minor: 0, rate: 3 }],
    throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 4 }],
  },
  hugepageLimits: [{ pageSize: '2MB', limit: 2n ** 63n }],
  rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10_000 } },
}

t.test('v2: everything in the order of writing', async (t) => {
  const resources = { ...EVERYTHING, unified: { 'memory.high': '90', 'cgroup.max.depth': '1' } }
  t.same(lines(resources, 'v2'), [
    'pids pids.max=7',
    'memory memory.swap.max=200',
    'memory memory.max=100',
    'memory memory.low=50',
    'io io.bfq.weight=500 else io.weight=4950',
    'io io.bfq.weight=8:0 750 else io.weight=8:0 7475',
    'io io.max=8:0 rbps=1',
    'io io.max=8:0 wbps=2',
    'io io.max=8:0 riops=3',
    'io io.max=8:0 wiops=4',
    'cpu cpu.idle=0 optional',
    'cpu cpu.weight=100',
    'cpu cpu.max.burst=100 deferred',
    'cpu cpu.max=5000 10000',
    'cpuset cpuset.cpus=0-1',
    'cpuset cpuset.mems=0',
    'hugetlb hugetlb.2MB.max=9223372036854775808',
    'hugetlb hugetlb.2MB.rsvd.max=9223372036854775808 optional',
    'rdma rdma.max=mlx5_1 hca_handle=3 hca_object=10000',
    'memory memory.high=90 unified',
    'cgroup cgroup.max.depth=1 unified',
  ])
})

const V1_ONLY: LinuxResources = {
  memory: { swappiness: 60, disableOOMKiller: true, useHierarchy: true },
  cpu: { realtimeRuntime: 95, realtimePeriod: 1000 },
  blockIO: { leafWeight: 20, weightDevice: [{ major: 8, minor: 16, leafWeight: 30 }] },
  network: { classID: 4096, priorities: [{ name: 'eth0', priority: 5 }] },
}

t.test('v1 and hybrid: everything in the order of writing', async (t) => {
  const resources: LinuxResources = {
    ...EVERYTHING,
    memory: { ...EVERYTHING.memory, ...V1_ONLY.memory },
    cpu: { ...EVERYTHING.cpu, ...V1_ONLY.cpu },
    blockIO: { ...EVERYTHING.blockIO, leafWeight: 20 },
    ...(V1_ONLY.network && { network: V1_ONLY.network }),
  }
  t.same(lines(resources, 'v1'), [
    'cpuset cpuset.cpus=0-1',
    'cpuset cpuset.mems=0',
    'memory memory.use_hierarchy=1 optional',
    'memory memory.limit_in_bytes=100 deferred',
    'memory memory.memsw.limit_in_bytes=300',
    'memory memory.soft_limit_in_bytes=50',
    'memory memory.oom_control=1',
    'memory memory.swappiness=60',
    'cpu cpu.shares=1024',
    'cpu cpu.cfs_period_us=10000 deferred',
    'cpu cpu.cfs_burst_us=100 deferred',
    'cpu cpu.cfs_quota_us=5000',
    'cpu cpu.idle=0 optional',
    'cpu cpu.rt_period_us=1000 deferred',
    'cpu cpu.rt_runtime_us=95',
    'pids pids.max=7',
    'blkio blkio.weight=500 else blkio.bfq.weight=500',
    'blkio blkio.leaf_weight=20',
    'blkio blkio.weight_device=8:0 750 else blkio.bfq.weight_device=8:0 750',
    'blkio blkio.throttle.read_bps_device=8:0 1',
    'blkio blkio.throttle.write_bps_device=8:0 2',
    'blkio blkio.throttle.read_iops_device=8:0 3',
    'blkio blkio.throttle.write_iops_device=8:0 4',
    'hugetlb hugetlb.2MB.limit_in_bytes=9223372036854775808',
    'hugetlb hugetlb.2MB.rsvd.limit_in_bytes=9223372036854775808 optional',
    'net_cls net_cls.classid=4096',
    'net_prio net_prio.ifpriomap=eth0 5',
    'rdma rdma.max=mlx5_1 hca_handle=3 hca_object=10000',
  ])
  t.same(lines(resources, 'hybrid'), lines(resources, 'v1'))
})

t.test('absent and 0 leave files alone', async (t) => {
  const zero: LinuxResources = {
    memory: { limit: 0, swap: 0, reservation: 0, disableOOMKiller: false, useHierarchy: false },
    cpu: {
      shares: 0,
      quota: 0,
      period: 0,
      realtimeRuntime: 0,
      realtimePeriod: 0,
      cpus: '',
      mems: '',
    },
    pids: {},
    blockIO: { weight: 0, leafWeight: 0, weightDevice: [{ major: 8, minor: 0, weight: 0 }] },
    network: { classID: 0, priorities: [] },
    rdma: {},
    unified: {},
    devices: [{ allow: false }],
  }
  for (const mode of ['v1', 'v2'] as const) {
    t.same(lines({}, mode), [])
    t.same(lines(zero, mode), [])
  }
})

t.test('0 is a value of pids, idle, burst, swappiness, and ends a throttle', async (t) => {
  const resources: LinuxResources = {
    memory: { swappiness: 0 },
    cpu: { idle: 0, burst: 0 },
    pids: { limit: 0 },
    blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 0 }] },
  }
  t.same(lines(resources, 'v2'), [
    'pids pids.max=1',
    'io io.max=8:0 rbps=max',
    'cpu cpu.idle=0 optional',
    'cpu cpu.max.burst=0 optional deferred',
  ])
  t.same(lines(resources, 'v1'), [
    'memory memory.swappiness=0',
    'cpu cpu.cfs_burst_us=0 optional deferred',
    'cpu cpu.idle=0 optional',
    'pids pids.max=1',
    'blkio blkio.throttle.read_bps_device=8:0 0',
  ])
})

t.test('-1 takes limits away', async (t) => {
  const resources: LinuxResources = {
    memory: { limit: -1, reservation: -1 },
    cpu: { quota: -1 },
    pids: { limit: -1 },
  }
  t.same(lines(resources, 'v2'), [
    'pids pids.max=max',
    'memory memory.swap.max=max optional',
    'memory memory.max=max',
    'memory memory.low=max',
    'cpu cpu.max=max 100000',
  ])
  t.same(lines(resources, 'v1'), [
    'memory memory.limit_in_bytes=-1 deferred',
    'memory memory.memsw.limit_in_bytes=-1 optional',
    'memory memory.soft_limit_in_bytes=-1',
    'cpu cpu.cfs_quota_us=-1',
    'pids pids.max=max',
  ])
})

t.test('swap', async (t) => {
  t.same(lines({ memory: { limit: 5, swap: 5 } }, 'v2'), [
    'memory memory.swap.max=0 optional',
    'memory memory.max=5',
  ])
  t.same(lines({ memory: { limit: 5, swap: 5 } }, 'v1'), [
    'memory memory.limit_in_bytes=5 deferred',
    'memory memory.memsw.limit_in_bytes=5',
  ])
  t.same(lines({ memory: { limit: 5 } }, 'v1'), ['memory memory.limit_in_bytes=5'])
  t.same(lines({ memory: { swap: -1 } }, 'v1'), ['memory memory.memsw.limit_in_bytes=-1 optional'])
})

t.test('checkBeforeUpdate compares what is a limit (M-081)', async (t) => {
  const memory = { checkBeforeUpdate: true }
  t.same(lines({ memory: { ...memory, limit: 5, swap: 7 } }, 'v2'), [
    'memory memory.swap.max=2 if memory+swap limit 7',
    'memory memory.max=5 if memory limit 5',
  ])
  t.same(lines({ memory: { ...memory, limit: -1 } }, 'v2'), [
    'memory memory.swap.max=max optional',
    'memory memory.max=max',
  ])
  // the kernel of cgroup v1 refuses by itself
  t.same(lines({ memory: { ...memory, limit: 5 } }, 'v1'), ['memory memory.limit_in_bytes=5'])
})

t.test('64-bit values are written digit by digit', async (t) => {
  const big = 9_223_372_036_854_775_807n
  const resources: LinuxResources = {
    memory: { limit: big, reservation: big },
    cpu: { quota: big, period: big, burst: big },
    blockIO: {
      throttleReadBpsDevice: [{ major: 8n, minor: 0n, rate: 18_446_744_073_709_551_615n }],
    },
  }
  t.same(lines(resources, 'v2'), [
    `memory memory.max=${big}`,
    `memory memory.low=${big}`,
    'io io.max=8:0 rbps=18446744073709551615',
    `cpu cpu.max.burst=${big} deferred`,
    `cpu cpu.max=${big} ${big}`,
  ])
  for (const line of lines(resources, 'v1'))
    t.match(line, /(9223372036854775807|8446744073709551615)( |$)/)
})

t.test('rdma: each value alone', async (t) => {
  t.same(lines({ rdma: { a: { hcaHandles: 0 }, b: { hcaObjects: 1 } } }, 'v2'), [
    'rdma rdma.max=a hca_handle=0',
    'rdma rdma.max=b hca_object=1',
  ])
})

t.test('each write knows its place', async (t) => {
  t.same(pointers({ ...EVERYTHING, unified: { 'a.b': '1' } }, 'v2'), [
    '/pids/limit',
    '/memory/swap',
    '/memory/limit',
    '/memory/reservation',
    '/blockIO/weight',
    '/blockIO/weightDevice/0',
    '/blockIO/throttleReadBpsDevice/0',
    '/blockIO/throttleWriteBpsDevice/0',
    '/blockIO/throttleReadIOPSDevice/0',
    '/blockIO/throttleWriteIOPSDevice/0',
    '/cpu/idle',
    '/cpu/shares',
    '/cpu/burst',
    '/cpu/quota',
    '/cpu/cpus',
    '/cpu/mems',
    '/hugepageLimits/0',
    '/hugepageLimits/0',
    '/rdma/mlx5_1',
    '/unified/a.b',
  ])
  t.same(pointers(V1_ONLY, 'v1'), [
    '/memory/useHierarchy',
    '/memory/disableOOMKiller',
    '/memory/swappiness',
    '/cpu/realtimePeriod',
    '/cpu/realtimeRuntime',
    '/blockIO/leafWeight',
    '/blockIO/weightDevice/0',
    '/network/classID',
    '/network/priorities/0',
  ])
  // both come from the limit
  t.same(pointers({ memory: { limit: -1 } }, 'v1'), ['/memory/limit', '/memory/limit'])
  t.same(pointers({ cpu: { period: 5 } }, 'v2'), ['/cpu/period'])
})

t.test('v2: what has no counterpart is an error (M-085)', async (t) => {
  for (const [resources, name] of [
    [{ cpu: { realtimeRuntime: 1 } }, 'cpu/realtimeRuntime'],
    [{ cpu: { realtimePeriod: 1n } }, 'cpu/realtimePeriod'],
    [{ blockIO: { leafWeight: 1 } }, 'blockIO/leafWeight'],
    [
      { blockIO: { weightDevice: [{ major: 8, minor: 0, leafWeight: 1 }] } },
      'blockIO/weightDevice/0/leafWeight',
    ],
    [{ network: { classID: 1 } }, 'network/classID'],
    [{ network: { priorities: [{ name: 'lo', priority: 1 }] } }, 'network/priorities'],
  ] as const) {
    const message = `${name.replaceAll('/', '.')} cannot be set on cgroup v2`
    t.throws(
      () => planResources(resources as LinuxResources, 'v2'),
      new SpecError(message, `/linux/resources/${name}`),
    )
  }
})

t.test('v2: what programs send without meaning it is ignored, and can be told', async (t) => {
  const memory = { swappiness: 60, disableOOMKiller: true, kernel: 5, kernelTCP: 5 }
  t.same(lines({ memory }, 'v2'), [])
  t.same(
    ignoredResources({ memory }, 'v2').map(({ pointer }) => pointer),
    ['/linux/resources/memory/swappiness', '/linux/resources/memory/disableOOMKiller'],
  )
  t.same(ignoredResources({ memory: { swappiness: 0, disableOOMKiller: false } }, 'v2'), [])
  t.same(ignoredResources({}, 'v2'), [])
  t.same(ignoredResources({ memory }, 'hybrid'), [])
})

t.test('what no hierarchy can express', async (t) => {
  const cases: [LinuxResources, string, string][] = [
    [
      { hugepageLimits: [{ pageSize: '../2MB', limit: 1 }] },
      'invalid page size "../2MB"',
      '/hugepageLimits/0/pageSize',
    ],
    [{ rdma: { 'a/b': {} } }, 'found neither hcaHandles nor hcaObjects', '/rdma/a~1b'],
    [
      { blockIO: { weightDevice: [{ major: 1, minor: 1 }] } },
      'found neither weight nor leafWeight',
      '/blockIO/weightDevice/0',
    ],
    [
      { blockIO: { throttleWriteIOPSDevice: [{ major: 1, minor: 1 }] } },
      'found no "rate", which is required',
      '/blockIO/throttleWriteIOPSDevice/0',
    ],
  ]
  for (const mode of ['v1', 'v2'] as const) {
    for (const [resources, message, pointer] of cases) {
      t.throws(() => planResources(resources, mode, ''), new SpecError(message, pointer))
    }
  }
  t.throws(
    () => planResources({ memory: { swappiness: 101 } }, 'v1'),
    new SpecError(
      'invalid memory swappiness value: 101 (valid range is 0-100)',
      '/linux/resources/memory/swappiness',
    ),
  )
  t.throws(
    () => planResources({ memory: { swap: 5 } }, 'v2', '/r'),
    new SpecError('unable to set swap limit without memory limit', '/r/memory/swap'),
  )
})

t.test('unified is for cgroup v2', async (t) => {
  for (const mode of ['v1', 'hybrid'] as const) {
    t.throws(
      () => planResources({ unified: { 'pids.max': '5' } }, mode),
      new SpecError(
        'invalid configuration: cannot use unified on cgroup v1',
        '/linux/resources/unified',
      ),
    )
  }
})
