import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { LinuxIntelRdt } from '../../spec/generated/config.ts'
import { planResctrl, type ResctrlPlan } from '../plan/resctrl.ts'
import { minimalSpec } from '../plan/testing.ts'
import {
  createResctrl,
  enterResctrl,
  probeResctrl,
  type ResctrlState,
  removeResctrl,
  undoResctrl,
  updateResctrl,
} from './resctrl.ts'
import { fakeResctrl } from './testing.ts'

const AT = '/linux/intelRdt'

function planned(intelRdt: LinuxIntelRdt, id = 'c1'): ResctrlPlan {
  const plan = planResctrl(minimalSpec({ linux: { intelRdt } }), id)
  if (plan === undefined) throw new Error('no plan')
  return plan
}

/** Creates, and takes the state through JSON as state.json does. */
function create(intelRdt: LinuxIntelRdt, id?: string): ResctrlState {
  const state = createResctrl(planned(intelRdt, id))
  const copy = JSON.parse(JSON.stringify(state)) as ResctrlState
  t.strictSame(copy, state)
  return copy
}

const skip = probeResctrl().isEnabled ? 'this host has resctrl' : false
t.test('a host without resctrl (M-101)', { skip }, async (t) => {
  t.strictSame(probeResctrl(), {
    isEnabled: false,
    hasCacheAllocation: false,
    hasBandwidthAllocation: false,
  })
  t.throws(() => createResctrl(planned({})), {
    name: 'SpecError',
    pointer: AT,
    message: 'intelRdt is specified in config, but Intel RDT is not enabled',
  })
  const state = { group: 'c1', isNamed: false, groupMade: 7 }
  t.throws(() => enterResctrl(state, 1), { name: 'StepError', message: /RDT is not enabled/ })
  removeResctrl(state)
})

t.test('probeResctrl() tells what there is', async (t) => {
  const fake = fakeResctrl(t)
  const all = { isEnabled: true, hasCacheAllocation: true, hasBandwidthAllocation: true }
  t.strictSame(probeResctrl(), all)
  for (const name of ['L3', 'MB']) rmSync(join(fake.root, 'info', name), { recursive: true })
  t.match(probeResctrl(), { hasCacheAllocation: false, hasBandwidthAllocation: false })
  fake.write('info/L3CODE/cbm_mask', 'f\n')
  t.match(probeResctrl(), { hasCacheAllocation: true })
})

t.test('a class of its own is made, entered and removed (M-100, M-103, M-106)', async (t) => {
  const fake = fakeResctrl(t)
  const state = create({
    l3CacheSchema: 'L3:0=ff;1=f',
    memBwSchema: 'MB:0=50',
    schemata: ['MB:1=70', 'L3:1=3'],
  })
  t.equal(fake.read('c1/schemata'), 'L3:0=ff;1=3\nMB:0=50;1=70\n', 'schemata come last')
  t.equal(fake.read('c1/tasks'), '')
  enterResctrl(state, 4711)
  t.equal(fake.read('c1/tasks'), '4711\n')
  removeResctrl(state)
  t.notOk(fake.has('c1'))
  removeResctrl(state)
  t.equal(fake.read('schemata'), '    L3:0=fffff;1=fffff\n    MB:0=100;1=100\n')
  t.equal(fake.read('tasks'), '1\n')
})

t.test('nothing is written to schemata if none are given (M-103)', async (t) => {
  const fake = fakeResctrl(t)
  create({})
  t.equal(fake.read('c1/schemata'), fake.read('schemata'))
})

t.test('a class named after the container that was there stays (M-107)', async (t) => {
  const fake = fakeResctrl(t)
  fake.write('c1/schemata', 'L3:0=f\n')
  fake.write('c1/tasks', '')
  const state = create({ l3CacheSchema: 'L3:0=f' })
  t.equal(state.groupMade, undefined)
  removeResctrl(state)
  undoResctrl(state)
  t.ok(fake.has('c1/schemata'))
  t.throws(() => create({ l3CacheSchema: 'L3:0=ff' }), /c1 exists, and its schemata differ/)
  t.equal(fake.read('c1/schemata'), 'L3:0=f\n')
})

t.test('a named class is made if it is missing, compared if not (M-104)', async (t) => {
  const fake = fakeResctrl(t)
  const rdt = { closID: 'gold', l3CacheSchema: 'L3:0=ff', memBwSchema: 'MB:0=50' }
  const first = create(rdt, 'c1')
  const second = create(rdt, 'c2')
  t.match(first, { group: 'gold', isNamed: true, groupMade: Number })
  t.equal(second.groupMade, undefined)
  const before = fake.read('gold/schemata')
  const changes: [LinuxIntelRdt, string][] = [
    [{ l3CacheSchema: 'L3:0=f' }, 'l3CacheSchema'],
    [{ memBwSchema: 'MB:0=60' }, 'memBwSchema'],
    [{ schemata: ['L3:1=fffff', 'L2:0=1'] }, 'schemata/1'],
  ]
  for (const [change, member] of changes) {
    t.throws(() => create({ ...rdt, ...change }), {
      name: 'SpecError',
      pointer: `${AT}/${member}`,
      message: /gold exists, and its schemata differ from "/,
    })
  }
  t.equal(fake.read('gold/schemata'), before)
  removeResctrl(first)
  removeResctrl(second)
  t.ok(fake.has('gold'), 'a named class outlives its containers (M-107)')
})

t.test('bandwidth that the kernel has rounded is the same (M-104)', async (t) => {
  const fake = fakeResctrl(t)
  fake.write('gold/schemata', '    L3:0=fffff;1=fffff\n    MB:0= 20;1=100\n')
  t.match(create({ closID: 'gold', memBwSchema: 'MB:0=15' }), { group: 'gold' })
  rmSync(join(fake.root, 'info/MB'), { recursive: true })
  t.throws(() => create({ closID: 'gold', memBwSchema: 'MB:0=15' }), /schemata differ/)
})

t.test('a named class without schemata must exist (M-105)', async (t) => {
  const fake = fakeResctrl(t)
  t.throws(() => create({ closID: 'gold' }), {
    name: 'SpecError',
    pointer: `${AT}/closID`,
    message: /"gold" does not exist/,
  })
  t.throws(() => create({ closID: 'gold', enableMonitoring: true }), /does not exist/)
  t.notOk(fake.has('gold'))
  fake.write('gold/tasks', '')
  const state = create({ closID: 'gold' })
  enterResctrl(state, 12)
  t.equal(fake.read('gold/tasks'), '12\n')
  removeResctrl(state)
  t.ok(fake.has('gold'))
})

t.test('closID / is the default class (M-109)', async (t) => {
  const fake = fakeResctrl(t)
  const state = create({ closID: '/', l3CacheSchema: 'L3:0=fffff', enableMonitoring: true })
  enterResctrl(state, 12)
  t.equal(fake.read('tasks'), '1\n12\n')
  t.equal(fake.read('mon_groups/c1/tasks'), '12\n')
  t.throws(() => create({ closID: '/', l3CacheSchema: 'L3:0=f' }), /schemata differ/)
  removeResctrl(state)
  t.ok(fake.has('tasks'))
  t.notOk(fake.has('mon_groups/c1'))
})

t.test('a monitoring group is made, entered and removed (M-108)', async (t) => {
  const fake = fakeResctrl(t)
  const own = create({ enableMonitoring: true })
  t.ok(fake.has('c1/mon_groups/c1'))
  enterResctrl(own, 33)
  t.equal(fake.read('c1/tasks'), '33\n')
  t.equal(fake.read('c1/mon_groups/c1/tasks'), '33\n')
  removeResctrl(own)
  t.notOk(fake.has('c1'))

  fake.write('gold/mon_groups/c2/tasks', '')
  const [first, second] = ['c1', 'c2'].map((id) =>
    create({ closID: 'gold', enableMonitoring: true }, id),
  ) as [ResctrlState, ResctrlState]
  t.equal(second.monitorMade, undefined, 'it was there')
  for (const state of [first, second]) removeResctrl(state)
  t.notOk(fake.has('gold/mon_groups/c1'))
  t.ok(fake.has('gold/mon_groups/c2'), 'what others made stays')
})

t.test(
  'a monitoring group that cannot be made is an error, and nothing stays (M-108)',
  async (t) => {
    const fake = fakeResctrl(t)
    rmSync(join(fake.root, 'mon_groups'), { recursive: true })
    for (const closID of ['', 'gold']) {
      const rdt = { closID, l3CacheSchema: 'L3:0=f', enableMonitoring: true }
      t.throws(() => create(rdt), { name: 'StepError', pointer: `${AT}/enableMonitoring` })
      t.notOk(fake.has('c1'))
      t.notOk(fake.has('gold'))
    }
  },
)

t.test('a line that the kernel refuses is an error, and nothing stays', async (t) => {
  const fake = fakeResctrl(t)
  fake.write('info/last_cmd_status', 'Unknown or unsupported resource name L9\n')
  for (const closID of ['', 'gold']) {
    t.throws(() => create({ closID, l3CacheSchema: 'L3:0=f', schemata: ['L9:0=1'] }), {
      name: 'StepError',
      pointer: `${AT}/schemata/0`,
      message:
        /^unable to apply Intel RDT configuration: "L9:0=1": write .* \(last_cmd_status: Unknown .* L9\)$/,
    })
    t.notOk(fake.has('c1'))
    t.notOk(fake.has('gold'))
  }
})

t.test('links are not followed', async (t) => {
  const fake = fakeResctrl(t)
  mkdirSync(join(fake.root, 'elsewhere'))
  symlinkSync('elsewhere', join(fake.root, 'c1'))
  t.throws(() => create({}), /c1/)
  fake.write('gold/mon_groups/x', '')
  fake.write('outside', '')
  symlinkSync('../outside', join(fake.root, 'gold/tasks'))
  t.throws(() => enterResctrl(create({ closID: 'gold' }), 5), /tasks/)
  t.equal(fake.read('outside'), '')
})

t.test('a group that has come in place of ours stays', async (t) => {
  const fake = fakeResctrl(t)
  const state = create({ enableMonitoring: true })
  rmSync(join(fake.root, 'c1'), { recursive: true })
  fake.write('other/tasks', '')
  fake.write('c1/mon_groups/c1/tasks', '')
  removeResctrl(state)
  t.ok(fake.has('c1/mon_groups/c1/tasks'))
})

t.test('entering groups that are gone is an error', async (t) => {
  const fake = fakeResctrl(t)
  const state = create({ enableMonitoring: true })
  rmSync(join(fake.root, 'c1/mon_groups/c1'), { recursive: true })
  t.throws(() => enterResctrl(state, 5), { name: 'StepError', message: /mon_groups\/c1: no such/ })
  rmSync(join(fake.root, 'c1'), { recursive: true })
  t.throws(() => enterResctrl(state, 5), /c1: no such/)
})

t.test('undoResctrl() takes a named class back unless another container is in it', async (t) => {
  const fake = fakeResctrl(t)
  const rdt = { closID: 'gold', l3CacheSchema: 'L3:0=f' }
  const state = create(rdt)
  enterResctrl(state, process.pid)
  undoResctrl(state)
  t.ok(fake.has('gold'))
  fake.write('gold/tasks', '')
  enterResctrl(state, 4_194_305)
  undoResctrl(state)
  t.notOk(fake.has('gold'), 'of a process that has ended')
})

t.test('updateResctrl() changes what it is told to', async (t) => {
  const fake = fakeResctrl(t)
  const state = create({ l3CacheSchema: 'L3:0=f' })
  updateResctrl(state, { l3CacheSchema: '', memBwSchema: '' })
  updateResctrl(state, { l3CacheSchema: 'L3:1=ff\nMB:0=10', memBwSchema: '' })
  t.equal(fake.read('c1/schemata'), 'L3:0=f;1=ff\nMB:0=100;1=100\n')
  updateResctrl(state, { l3CacheSchema: 'L3:0=3', memBwSchema: 'MB:1=50' })
  t.equal(fake.read('c1/schemata'), 'L3:0=3;1=ff\nMB:0=100;1=50\n')
})

t.test('updateResctrl() puts back what it has changed when it fails', async (t) => {
  const fake = fakeResctrl(t)
  const state = create({ l3CacheSchema: 'L3:0=f' })
  const before = fake.read('c1/schemata')
  const l3CacheSchema = 'L3:0=ff\nL9:0=1'
  t.throws(() => updateResctrl(state, { l3CacheSchema, memBwSchema: 'MB:0=20' }), {
    name: 'StepError',
    message: /"L9:0=1"/,
  })
  t.equal(fake.read('c1/schemata'), before)
})

t.test("updateResctrl() refuses in runc's words", async (t) => {
  const fake = fakeResctrl(t)
  const none = 'updating a non-existent Intel RDT configuration is not supported'
  const [l3, mb] = ['L3:0=f', 'MB:0=20']
  t.throws(() => updateResctrl(undefined, { l3CacheSchema: l3, memBwSchema: '' }), {
    message: none,
  })
  const state = create({})
  for (const memBwSchema of ['L3:0=f', 'MB:0=20\nL3:0=f']) {
    t.throws(() => updateResctrl(state, { l3CacheSchema: l3, memBwSchema }), /mem-bw-schema/)
  }
  t.equal(fake.read('c1/schemata'), fake.read('schemata'))
  rmSync(join(fake.root, 'info/L3'), { recursive: true })
  t.throws(() => updateResctrl(state, { l3CacheSchema: l3, memBwSchema: mb }), {
    message: 'Intel RDT/CAT: l3 cache schema is not enabled',
  })
  rmSync(join(fake.root, 'info/MB'), { recursive: true })
  t.throws(() => updateResctrl(undefined, { l3CacheSchema: '', memBwSchema: mb }), {
    message: 'Intel RDT/MBA: memory bandwidth schema is not enabled',
  })
  updateResctrl(undefined, { l3CacheSchema: '', memBwSchema: '' })
})
