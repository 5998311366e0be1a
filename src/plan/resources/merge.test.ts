import t from 'tap'
import { mergeResources } from './merge.ts'

t.test('an empty update changes and writes nothing', async (t) => {
  const saved = {
    memory: { limit: 100, checkBeforeUpdate: true },
    cpu: { shares: 512, idle: 0, burst: 5, cpus: '0' },
    pids: { limit: 5 },
    unified: { 'memory.high': '1' },
    devices: [{ allow: false }],
  }
  for (const update of [{}, { memory: {}, cpu: {}, pids: {}, blockIO: {}, unified: {} }]) {
    const { saved: after, written } = mergeResources(saved, update)
    t.same(after, { ...saved, ...(update.blockIO && { blockIO: {} }) })
    t.same(
      Object.values(written).every((part) => Object.keys(part).length === 0),
      true,
    )
  }
})

t.test('inputs stay as they are', async (t) => {
  const saved = Object.freeze({
    memory: Object.freeze({ limit: 1 }),
    cpu: Object.freeze({ shares: 2 }),
    blockIO: Object.freeze({ weightDevice: Object.freeze([]) as never[] }),
    unified: Object.freeze({ 'memory.high': '1' }),
  })
  mergeResources(saved, {
    memory: { limit: -1 },
    cpu: { idle: 1 },
    blockIO: { weightDevice: [{ major: 8, minor: 0, weight: 10 }] },
    unified: { 'memory.low': '1' },
  })
  t.same(saved.unified, { 'memory.high': '1' })
})

t.test('memory: a limit or a swap limit is written with the other one', async (t) => {
  const saved = { memory: { limit: 100, swap: 200, reservation: 50, swappiness: 10 } }
  t.same(mergeResources(saved, { memory: { limit: 150 } }), {
    saved: { memory: { limit: 150, swap: 200, reservation: 50, swappiness: 10 } },
    written: { memory: { limit: 150, swap: 200 } },
  })
  t.same(mergeResources(saved, { memory: { swap: -1 } }).written, {
    memory: { limit: 100, swap: -1 },
  })
  t.same(mergeResources(saved, { memory: { reservation: 60 } }), {
    saved: { memory: { limit: 100, swap: 200, reservation: 60, swappiness: 10 } },
    written: { memory: { reservation: 60 } },
  })
  t.same(mergeResources({}, { memory: { limit: 2n ** 60n } }).written, {
    memory: { limit: 2n ** 60n },
  })
})

t.test('memory: unlimited takes swap along unless it is given', async (t) => {
  const saved = { memory: { limit: 100, swap: 200 } }
  const all = mergeResources(saved, { memory: { limit: -1 } })
  t.same(all.written, { memory: { limit: -1, swap: 0 } })
  t.same(mergeResources(all.saved, { memory: { limit: 50 } }).written, {
    memory: { limit: 50, swap: 0 },
  })
  t.same(mergeResources(saved, { memory: { limit: -1n, swap: 300 } }).written, {
    memory: { limit: -1n, swap: 300 },
  })
})

t.test('memory: checkBeforeUpdate is of one update alone', async (t) => {
  const first = mergeResources(
    { memory: { checkBeforeUpdate: true } },
    { memory: { limit: 5, checkBeforeUpdate: true } },
  )
  t.same(first.written, { memory: { limit: 5, checkBeforeUpdate: true } })
  t.same(first.saved, { memory: { limit: 5 } })
  t.same(mergeResources({}, { memory: { checkBeforeUpdate: true } }), { saved: {}, written: {} })
})

t.test('cpu: quota and period go together', async (t) => {
  const saved = { cpu: { quota: 50_000, period: 100_000, shares: 512 } }
  t.same(mergeResources(saved, { cpu: { period: 200_000 } }), {
    saved: { cpu: { quota: 50_000, period: 200_000, shares: 512 } },
    written: { cpu: { quota: 50_000, period: 200_000 } },
  })
  t.same(mergeResources(saved, { cpu: { quota: -1 } }).written, {
    cpu: { quota: -1, period: 100_000 },
  })
  t.same(mergeResources(saved, { cpu: { quota: 1000, period: 5000 } }).written, {
    cpu: { quota: 1000, period: 5000 },
  })
  t.same(mergeResources({}, { cpu: { quota: 1000 } }).written, { cpu: { quota: 1000 } })
})

t.test('cpu: 0 is as absent for quota and period', async (t) => {
  const saved = { cpu: { quota: 50_000, period: 100_000 } }
  t.same(mergeResources(saved, { cpu: { quota: 0, period: 0 } }), { saved, written: {} })
  t.same(mergeResources(saved, { cpu: { quota: 0, period: 7000 } }).written, {
    cpu: { quota: 50_000, period: 7000 },
  })
})

t.test('cpu: a quota is remembered over an update that does not name it', async (t) => {
  const first = mergeResources({ cpu: { quota: 50_000 } }, { cpu: { shares: 512 } })
  t.same(first.written, { cpu: { shares: 512 } })
  t.same(mergeResources(first.saved, { cpu: { period: 50_000 } }).written, {
    cpu: { quota: 50_000, period: 50_000 },
  })
})

t.test('cpu: idle and weight exclude each other', async (t) => {
  const idle = mergeResources({ cpu: { shares: 512 } }, { cpu: { idle: 1 } })
  t.same(idle, { saved: { cpu: { idle: 1 } }, written: { cpu: { idle: 1 } } })
  t.same(mergeResources(idle.saved, { cpu: { shares: 1024 } }), {
    saved: { cpu: { shares: 1024 } },
    written: { cpu: { shares: 1024 } },
  })
  const both = { cpu: { shares: 1024, idle: 0 } }
  t.same(mergeResources(idle.saved, both), { saved: both, written: both })
  t.same(mergeResources(idle.saved, { cpu: { shares: 0 } }).saved, { cpu: { shares: 0, idle: 1 } })
})

t.test('cpu: lists, burst and realtime are written when they are given', async (t) => {
  const given = { cpus: '0-1', mems: '0', burst: 0, realtimeRuntime: 5, realtimePeriod: 9 }
  const saved = { cpu: { burst: 500, cpus: '0', realtimeRuntime: 1 } }
  t.same(mergeResources(saved, { cpu: given }), { saved: { cpu: given }, written: { cpu: given } })
})

t.test('blockIO: devices are matched by number, the last of several', async (t) => {
  const saved = {
    blockIO: {
      weight: 100,
      throttleReadBpsDevice: [
        { major: 8, minor: 0, rate: 1 },
        { major: 8, minor: 0, rate: 2 },
        { major: 8, minor: 16, rate: 3 },
      ],
    },
  }
  const update = {
    blockIO: {
      throttleReadBpsDevice: [
        { major: 8, minor: 0n, rate: 2n ** 60n },
        { major: 9, minor: 0, rate: 4 },
      ],
    },
  }
  const { saved: after, written } = mergeResources(saved, update)
  t.same(written, update)
  t.same(after.blockIO, {
    weight: 100,
    throttleReadBpsDevice: [
      { major: 8, minor: 0, rate: 1 },
      { major: 8, minor: 0n, rate: 2n ** 60n },
      { major: 8, minor: 16, rate: 3 },
      { major: 9, minor: 0, rate: 4 },
    ],
  })
})

t.test('blockIO: a new weight of a device leaves its leaf weight', async (t) => {
  const saved = { blockIO: { weightDevice: [{ major: 8, minor: 0, weight: 10, leafWeight: 20 }] } }
  const update = { blockIO: { weight: 200, weightDevice: [{ major: 8, minor: 0, weight: 30 }] } }
  t.same(mergeResources(saved, update).saved.blockIO, {
    weight: 200,
    weightDevice: [{ major: 8, minor: 0, weight: 30, leafWeight: 20 }],
  })
})

t.test('pids: 0 is a limit', async (t) => {
  t.same(mergeResources({ pids: { limit: 20 } }, { pids: { limit: 0 } }), {
    saved: { pids: { limit: 0 } },
    written: { pids: { limit: 0 } },
  })
})

t.test('what cannot be updated is ignored', async (t) => {
  const update = {
    devices: [{ allow: true }],
    hugepageLimits: [{ pageSize: '2MB', limit: 1 }],
    network: { classID: 1 },
    rdma: { mlx: { hcaHandles: 1 } },
  }
  t.same(mergeResources({ network: { classID: 7 } }, update), {
    saved: { network: { classID: 7 } },
    written: {},
  })
})

t.test('unified: new entries over old ones', async (t) => {
  const saved = { unified: { 'memory.high': '5', 'pids.max': '10' } }
  t.same(mergeResources(saved, { unified: { 'pids.max': '20', 'cpu.weight': '5' } }), {
    saved: { unified: { 'memory.high': '5', 'pids.max': '20', 'cpu.weight': '5' } },
    written: { unified: { 'pids.max': '20', 'cpu.weight': '5' } },
  })
})

t.test('unified: a later typed value is not overridden by an earlier entry', async (t) => {
  const saved = { unified: { 'memory.max': '5', 'pids.max': '10', 'io.max': '8:0 rbps=1' } }
  const limited = mergeResources(saved, { memory: { limit: 100 }, pids: { limit: 3 } })
  t.same(limited.written, { memory: { limit: 100 }, pids: { limit: 3 } })
  t.same(limited.saved.unified, { 'io.max': '8:0 rbps=1' })
  const cpu = { unified: { 'cpuset.cpus': '0' } }
  t.same(mergeResources(cpu, { cpu: { shares: 5 } }).saved, { cpu: { shares: 5 } })
})
