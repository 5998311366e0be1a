/** Limits in the kernel's cgroup v2, without a container. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { syscallErrorOf } from '../base/errors.ts'
import { needs } from '../testing/needs.ts'
import { needsFile, testCgroup } from './resources-testing.ts'

const skip = needs('root', 'cgroup v2')
const MB = 1 << 20

t.test('limits are in the files', { skip }, async (t) => {
  const { apply, read } = testCgroup(t, ['cpu', 'memory', 'pids', 'cpuset'])
  apply({
    memory: { limit: 64 * MB, reservation: 32 * MB, swap: 64 * MB },
    cpu: { shares: 512, quota: 20_000, period: 50_000, cpus: '0', mems: '0' },
    pids: { limit: 7 },
  })
  t.equal(read('pids', 'pids.max'), '7')
  t.equal(read('memory', 'memory.max'), `${64 * MB}`)
  t.equal(read('memory', 'memory.low'), `${32 * MB}`)
  t.equal(read('cpu', 'cpu.weight'), '59')
  t.equal(read('cpu', 'cpu.max'), '20000 50000')
  t.equal(read('cpuset', 'cpuset.cpus'), '0')
  t.equal(read('cpuset', 'cpuset.mems'), '0')
  apply({ memory: { limit: -1, reservation: -1 }, cpu: { quota: -1 }, pids: { limit: -1 } })
  t.equal(read('pids', 'pids.max'), 'max')
  t.equal(read('memory', 'memory.max'), 'max')
  t.equal(read('memory', 'memory.low'), 'max')
  t.equal(read('cpu', 'cpu.max'), 'max 100000')
  apply({ pids: { limit: 0 }, cpu: { period: 1_000_000 } })
  t.equal(read('pids', 'pids.max'), '1')
  t.equal(read('cpu', 'cpu.max'), 'max 1000000')
})

t.test(
  'swap is what is more than memory',
  { skip: needsFile(skip, 'memory', 'memory.swap.max') },
  async (t) => {
    const { apply, read } = testCgroup(t, ['memory'])
    for (const [limit, swap, max] of [
      [64, 192, `${128 * MB}`],
      [256, 256, '0'],
      [32, 512, `${480 * MB}`],
    ] as const) {
      apply({ memory: { limit: limit * MB, swap: swap * MB } })
      t.equal(read('memory', 'memory.max'), `${limit * MB}`)
      t.equal(read('memory', 'memory.swap.max'), max)
    }
    apply({ memory: { limit: -1 } })
    t.equal(read('memory', 'memory.swap.max'), 'max')
  },
)

t.test('burst within the quota', { skip: needsFile(skip, 'cpu', 'cpu.max.burst') }, async (t) => {
  const { apply, read } = testCgroup(t, ['cpu'])
  apply({ cpu: { quota: 10_000 } })
  apply({ cpu: { quota: 40_000, burst: 40_000 } })
  t.equal(read('cpu', 'cpu.max.burst'), '40000')
  apply({ cpu: { burst: 0 } })
  t.equal(read('cpu', 'cpu.max.burst'), '0')
  t.match(apply.error({ cpu: { burst: 50_000 } }), { pointer: '/linux/resources/cpu/burst' })
})

t.test('cpu.idle and a weight', { skip: needsFile(skip, 'cpu', 'cpu.idle') }, async (t) => {
  const { apply, read } = testCgroup(t, ['cpu'])
  apply({ cpu: { idle: 1 } })
  t.equal(read('cpu', 'cpu.idle'), '1')
  for (const idle of [-1, 2, 3]) t.match(apply.error({ cpu: { idle } }), /unable to set cpu.idle/)
  t.equal(read('cpu', 'cpu.idle'), '1')
  t.match(apply.error({ cpu: { shares: 512 } }), { pointer: '/linux/resources/cpu/shares' })
  apply({ cpu: { idle: 0, shares: 512 } })
  t.equal(read('cpu', 'cpu.weight'), '59')
})

t.test(
  'io: the weight of whichever scheduler there is',
  { skip: needsFile(skip, 'io', 'io.weight', 'io.bfq.weight') },
  async (t) => {
    const { apply, path, read } = testCgroup(t, ['io'])
    apply({ blockIO: { weight: 750 } })
    const isBfq = readdirSync(path('io')).includes('io.bfq.weight')
    t.equal(
      isBfq ? read('io', 'io.bfq.weight') : read('io', 'io.weight'),
      isBfq ? 'default 750' : 'default 7475',
    )
    for (const weight of [9, 5000]) {
      if (isBfq && weight === 9) continue
      t.match(apply.error({ blockIO: { weight } }), { pointer: '/linux/resources/blockIO/weight' })
    }
  },
)

/** Numbers of two block devices. */
function blockDevices(): string[] {
  const names = readdirSync('/sys/block')
  return names.slice(0, 2).map((name) => readFileSync(`/sys/block/${name}/dev`, 'utf8').trim())
}

t.test('io.max: devices, rates, and none', { skip: needsFile(skip, 'io', 'io.max') }, async (t) => {
  const [first = ''] = blockDevices()
  t.not(first, '', 'there is a block device')
  const [major, minor] = first.split(':').map(Number) as [number, number]
  const { apply, read } = testCgroup(t, ['io'])
  apply({
    blockIO: {
      throttleReadBpsDevice: [{ major, minor, rate: 1000 }],
      throttleWriteBpsDevice: [{ major, minor, rate: 2000 }],
      throttleReadIOPSDevice: [{ major, minor, rate: 3 }],
      throttleWriteIOPSDevice: [{ major, minor, rate: 4 }],
    },
  })
  t.equal(read('io', 'io.max'), `${first} rbps=1000 wbps=2000 riops=3 wiops=4`)
  apply({ blockIO: { throttleReadBpsDevice: [{ major, minor, rate: 0 }] } })
  t.equal(read('io', 'io.max'), `${first} rbps=max wbps=2000 riops=3 wiops=4`)
})

t.test('unified: a line a write', { skip: needsFile(skip, 'io', 'io.max') }, async (t) => {
  const devices = blockDevices()
  t.equal(devices.length, 2, 'there are two block devices')
  const { apply, read } = testCgroup(t, ['io'])
  apply({ unified: { 'io.max': devices.map((device) => `${device} rbps=1024`).join('\n') } })
  for (const device of devices) t.match(read('io', 'io.max'), `${device} rbps=1024 wbps=max`)
})

t.test('unified: over typed values, and known to the kernel alone', { skip }, async (t) => {
  const { apply, read } = testCgroup(t, ['memory', 'pids', 'cpu', 'cpuset'])
  apply({
    memory: { limit: 64 * MB },
    pids: { limit: 5 },
    cpu: { quota: 50_000, cpus: '0' },
    unified: {
      'memory.max': `${32 * MB}`,
      'memory.high': `${30 * MB}`,
      'pids.max': '6',
      'cpu.max': '5000 20000',
      'cpu.weight': '42',
      'cgroup.max.depth': '3',
      'cpuset.cpus': '',
    },
  })
  t.equal(read('memory', 'memory.max'), `${32 * MB}`)
  t.equal(read('memory', 'memory.high'), `${30 * MB}`)
  t.equal(read('pids', 'pids.max'), '6')
  t.equal(read('cpu', 'cpu.max'), '5000 20000')
  t.equal(read('cpu', 'cpu.weight'), '42')
  t.equal(read('cpu', 'cgroup.max.depth'), '3')
  t.equal(read('cpuset', 'cpuset.cpus'), '')
})

t.test('unified: what the kernel does not take', { skip }, async (t) => {
  const { apply, path } = testCgroup(t, ['memory'])
  for (const [file, value, text] of [
    ['none.max', '1', `can't be set: controller "none" not available`],
    ['memory.none', '1', `open ${path('memory')}/memory.none: no such file or directory`],
    ['memory.max', 'much', `write ${path('memory')}/memory.max: invalid argument`],
    ['memory.current', '1', 'permission denied'],
    ['cgroup.none', '1', `open ${path('memory')}/cgroup.none: no such file or directory`],
  ] as const) {
    const error = apply.error({ unified: { [file]: value } })
    t.match(error, { pointer: `/linux/resources/unified/${file}` })
    t.match(String(error), `unified resource "${file}"`)
    if (file !== 'memory.current') t.match(String(error), text)
  }
})

t.test('a controller that is not enabled', { skip }, async (t) => {
  const parent = testCgroup(t, ['pids'])
  const { apply } = testCgroup(t, [], parent.name)
  const error = apply.error({ memory: { limit: MB } })
  t.match(error, {
    message: 'cannot set memory limit: controller "memory" not available',
    pointer: '/linux/resources/memory/limit',
  })
  t.equal(syscallErrorOf(error)?.code, 'ENOENT')
  t.match(apply.error({ unified: { 'pids.max': '5' } }), {
    message: `unified resource "pids.max" can't be set: controller "pids" not available`,
  })
})

t.test('checkBeforeUpdate', { skip }, async (t) => {
  const { apply, path, read } = testCgroup(t, ['memory'])
  const file = `/dev/shm/tsrun-test-${process.pid}`
  t.teardown(() => execFileSync('rm', ['-f', file]))
  const script = `echo $$ > ${path('memory')}/cgroup.procs && exec head -c 8M /dev/zero > ${file}`
  execFileSync('sh', ['-c', script])
  const memory = { checkBeforeUpdate: true }
  t.match(apply.error({ memory: { ...memory, limit: 2 * MB } }), {
    message: /^rejecting memory limit 2097152 <= usage \d+$/,
    pointer: '/linux/resources/memory/limit',
  })
  t.match(apply.error({ memory: { ...memory, limit: 2 * MB, swap: 3 * MB }, pids: { limit: 1 } }), {
    message: /^rejecting memory\+swap limit 3145728 <= usage \d+$/,
    pointer: '/linux/resources/memory/swap',
  })
  t.equal(read('memory', 'memory.max'), 'max')
  apply({ memory: { ...memory, limit: 64 * MB } })
  t.equal(read('memory', 'memory.max'), `${64 * MB}`)
})

t.test('hugepages', { skip: needsFile(skip, 'hugetlb', 'hugetlb.2MB.max') }, async (t) => {
  const sizes = readdirSync('/sys/kernel/mm/hugepages')
  const { apply, read } = testCgroup(t, ['hugetlb'])
  for (const size of sizes) {
    const kb = Number(/\d+/.exec(size)?.[0])
    const pageSize = kb >= 1 << 20 ? `${kb >> 20}GB` : kb >= 1 << 10 ? `${kb >> 10}MB` : `${kb}KB`
    const limit = kb * 1024 * 3
    apply({ hugepageLimits: [{ pageSize, limit }] })
    t.equal(read('hugetlb', `hugetlb.${pageSize}.max`), `${limit}`)
    t.equal(read('hugetlb', `hugetlb.${pageSize}.rsvd.max`), `${limit}`)
  }
  t.match(apply.error({ hugepageLimits: [{ pageSize: '3MB', limit: 1 }] }), {
    pointer: '/linux/resources/hugepageLimits/0',
  })
})

t.test("the root of the hierarchy is no container's", { skip }, async (t) => {
  const { apply } = testCgroup(t, [], '/')
  t.match(apply.error({ unified: { 'cgroup.max.depth': '5' } }), {
    message: /could not join or create cgroup/,
  })
})
