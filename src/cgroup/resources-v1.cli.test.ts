/** Limits in the kernel's cgroup v1, without a container. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import t from 'tap'
import { StepError, syscallErrorOf } from '../base/errors.ts'
import { needs } from '../testing/needs.ts'
import { needsFile, testCgroup } from './resources-testing.ts'

const skip = needs('root', 'cgroup v1')
const MB = 1 << 20

t.test('limits are in the files', { skip }, async (t) => {
  const { apply, read } = testCgroup(t, ['cpu', 'memory', 'pids', 'cpuset'])
  apply({
    memory: { limit: 64 * MB, reservation: 32 * MB, swappiness: 10, disableOOMKiller: true },
    cpu: { shares: 512, quota: 20_000, period: 50_000, cpus: '0', mems: '0' },
    pids: { limit: 7 },
  })
  t.equal(read('pids', 'pids.max'), '7')
  t.equal(read('memory', 'memory.limit_in_bytes'), `${64 * MB}`)
  t.equal(read('memory', 'memory.soft_limit_in_bytes'), `${32 * MB}`)
  t.equal(read('memory', 'memory.swappiness'), '10')
  t.match(read('memory', 'memory.oom_control'), /oom_kill_disable 1/)
  t.equal(read('cpu', 'cpu.shares'), '512')
  t.equal(read('cpu', 'cpu.cfs_quota_us'), '20000')
  t.equal(read('cpu', 'cpu.cfs_period_us'), '50000')
  t.equal(read('cpuset', 'cpuset.cpus'), '0')
  t.equal(read('cpuset', 'cpuset.mems'), '0')
  apply({ memory: { limit: -1 }, cpu: { quota: -1 }, pids: { limit: -1 } })
  t.equal(read('pids', 'pids.max'), 'max')
  t.ok(BigInt(read('memory', 'memory.limit_in_bytes')) > 2n ** 60n)
  t.equal(read('cpu', 'cpu.cfs_quota_us'), '-1')
  t.equal(read('cpu', 'cpu.cfs_period_us'), '50000')
})

t.test(
  'memory and swap limits, raised and lowered together',
  { skip: needsFile(skip, 'memory', 'memory.memsw.limit_in_bytes') },
  async (t) => {
    const { apply, read } = testCgroup(t, ['memory'])
    const pairs = [
      [64, 128],
      [256, 256],
      [32, 32],
      [32, 512],
      [512, 512],
      [100, 200],
    ] as const
    for (const [limit, swap] of pairs) {
      apply({ memory: { limit: limit * MB, swap: swap * MB } })
      t.equal(read('memory', 'memory.limit_in_bytes'), `${limit * MB}`)
      t.equal(read('memory', 'memory.memsw.limit_in_bytes'), `${swap * MB}`)
    }
    apply({ memory: { limit: 300 * MB, swap: -1 } })
    t.equal(read('memory', 'memory.limit_in_bytes'), `${300 * MB}`)
    apply({ memory: { limit: 300 * MB, swap: 300 * MB } })
    apply({ memory: { limit: -1 } })
    t.ok(BigInt(read('memory', 'memory.limit_in_bytes')) > 2n ** 60n)
    t.ok(BigInt(read('memory', 'memory.memsw.limit_in_bytes')) > 2n ** 60n)
    t.match(apply.error({ memory: { limit: 64 * MB, swap: 32 * MB } }), {
      pointer: '/linux/resources/memory/swap',
      message:
        /^unable to set memory.memsw.limit_in_bytes to 33554432: write .*: invalid argument$/,
    })
  },
)

t.test('a memory limit below what is in use', { skip }, async (t) => {
  const { apply, read, path } = testCgroup(t, ['memory'])
  // without swapping; the pages of tmpfs stay when their writer ends
  apply({ memory: { swappiness: 0 } })
  const file = `/dev/shm/tsrun-test-${process.pid}`
  t.teardown(() => execFileSync('rm', ['-f', file]))
  const script = `echo $$ > ${path('memory')}/cgroup.procs && exec head -c 8M /dev/zero > ${file}`
  execFileSync('sh', ['-c', script])
  const error = apply.error({ memory: { limit: 2 * MB } })
  t.match(error, {
    message: /^unable to set memory limit to 2097152 \(current usage: \d+, peak usage: \d+\)$/,
    pointer: '/linux/resources/memory/limit',
  })
  t.equal(syscallErrorOf(error)?.code, 'EBUSY')
  t.ok(BigInt(read('memory', 'memory.limit_in_bytes')) > 2n ** 60n)
})

t.test('cpu.shares that the kernel makes others of', { skip }, async (t) => {
  const { apply, read } = testCgroup(t, ['cpu'])
  t.match(apply.error({ cpu: { shares: 1 } }), {
    message: 'unable to set cpu.shares to 1: the minimum allowed cpu-shares is 2',
    pointer: '/linux/resources/cpu/shares',
  })
  t.match(apply.error({ cpu: { shares: 2n ** 62n } }), {
    message: `unable to set cpu.shares to ${2n ** 62n}: the maximum allowed cpu-shares is 262144`,
  })
  apply({ cpu: { shares: 262_144 } })
  t.equal(read('cpu', 'cpu.shares'), '262144')
})

t.test('quota and period within those of the group above, in every order', { skip }, async (t) => {
  const parent = testCgroup(t, ['cpu'])
  parent.apply({ cpu: { quota: 50_000, period: 100_000 } })
  const { apply, read } = testCgroup(t, ['cpu'], parent.name)
  for (const [quota, period] of [
    [50_000, 100_000],
    [25_000, 50_000],
    [100_000, 200_000],
    [10_000, 200_000],
    [1000, 2000],
  ] as const) {
    apply({ cpu: { quota, period } })
    t.equal(read('cpu', 'cpu.cfs_quota_us'), `${quota}`)
    t.equal(read('cpu', 'cpu.cfs_period_us'), `${period}`)
  }
  const error = apply.error({ cpu: { quota: 60_000, period: 100_000 } })
  t.match(error, { pointer: '/linux/resources/cpu/quota' })
  t.equal(syscallErrorOf(error)?.code, 'EINVAL')
  apply({ cpu: { period: 100_000 } })
  t.match(apply.error({ cpu: { period: 100 } }), {
    pointer: '/linux/resources/cpu/period',
    message: /^unable to set cpu.cfs_period_us to 100: write .*: invalid argument$/,
  })
})

t.test(
  'burst within the quota',
  { skip: needsFile(skip, 'cpu', 'cpu.cfs_burst_us') },
  async (t) => {
    const { apply, read } = testCgroup(t, ['cpu'])
    apply({ cpu: { quota: 10_000 } })
    apply({ cpu: { quota: 40_000, burst: 40_000 } })
    t.equal(read('cpu', 'cpu.cfs_burst_us'), '40000')
    apply({ cpu: { burst: 0 } })
    t.equal(read('cpu', 'cpu.cfs_burst_us'), '0')
    t.match(apply.error({ cpu: { burst: 50_000 } }), { pointer: '/linux/resources/cpu/burst' })
  },
)

t.test(
  'realtime runtime and period, in every order',
  { skip: needsFile(skip, 'cpu', 'cpu.rt_runtime_us') },
  async (t) => {
    const { apply, read } = testCgroup(t, ['cpu'])
    for (const [realtimeRuntime, realtimePeriod] of [
      [100_000, 1_000_000],
      [50_000, 80_000],
      [400_000, 900_000],
      [1000, 5000],
    ] as const) {
      apply({ cpu: { realtimeRuntime, realtimePeriod } })
      t.equal(read('cpu', 'cpu.rt_runtime_us'), `${realtimeRuntime}`)
      t.equal(read('cpu', 'cpu.rt_period_us'), `${realtimePeriod}`)
    }
  },
)

t.test('cpu.idle', { skip: needsFile(skip, 'cpu', 'cpu.idle') }, async (t) => {
  const { apply, read } = testCgroup(t, ['cpu'])
  apply({ cpu: { idle: 1 } })
  t.equal(read('cpu', 'cpu.idle'), '1')
  t.match(apply.error({ cpu: { idle: 2 } }), { pointer: '/linux/resources/cpu/idle' })
  t.equal(read('cpu', 'cpu.idle'), '1')
  apply({ cpu: { idle: 0 } })
  t.equal(read('cpu', 'cpu.idle'), '0')
})

t.test(
  'blkio: the weight of whichever scheduler there is',
  { skip: needsFile(skip, 'blkio', 'blkio.weight', 'blkio.bfq.weight') },
  async (t) => {
    const { apply, read, path } = testCgroup(t, ['blkio'])
    const files = ['blkio.weight', 'blkio.bfq.weight']
    const file = files.find((name) => existsSync(`${path('blkio')}/${name}`))
    apply({ blockIO: { weight: 750 } })
    t.equal(read('blkio', String(file)).replace('default ', ''), '750')
    t.match(apply.error({ blockIO: { weight: 5000 } }), {
      pointer: '/linux/resources/blockIO/weight',
    })
  },
)

t.test('a controller without a cgroup of the container', { skip }, async (t) => {
  const { apply } = testCgroup(t, ['cpu'])
  for (const [resources, controller, pointer] of [
    [{ pids: { limit: 5 } }, 'pids', '/linux/resources/pids/limit'],
    [{ memory: { limit: MB } }, 'memory', '/linux/resources/memory/limit'],
    [{ network: { classID: 5 } }, 'net_cls', '/linux/resources/network/classID'],
    [{ rdma: { x: { hcaHandles: 5 } } }, 'rdma', '/linux/resources/rdma/x'],
  ] as const) {
    const error = apply.error(resources)
    t.type(error, StepError)
    t.match(error, {
      message: `cannot set ${controller} limit: container could not join or create cgroup`,
      pointer,
    })
  }
})

t.test("the root of a hierarchy is no container's", { skip }, async (t) => {
  const { apply } = testCgroup(t, [], '/')
  t.match(apply.error({ pids: { limit: 30_000 } }), { message: /^cannot set pids limit/ })
})

t.test('what is missing is an error but where nothing is lost', { skip }, async (t) => {
  const { applyWrites, path } = testCgroup(t, ['pids'])
  const write = { controller: 'pids', file: 'pids.none', value: '1', pointer: '/x' }
  applyWrites([{ ...write, isOptional: true }])
  applyWrites([{ ...write, controller: 'none', isOptional: true }])
  t.throws(() => applyWrites([write]), {
    message: `unable to set pids.none to 1: open ${path('pids')}/pids.none: no such file or directory`,
  })
  t.throws(() => applyWrites([{ ...write, otherwise: { file: 'pids.nil', value: '2' } }]), {
    message: `unable to set pids.none to 1: open ${path('pids')}/pids.nil: no such file or directory`,
  })
})
