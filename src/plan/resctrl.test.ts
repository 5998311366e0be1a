import t from 'tap'
import type { LinuxIntelRdt } from '../../spec/generated/config.ts'
import { planResctrl } from './resctrl.ts'
import { minimalSpec } from './testing.ts'

function plan(intelRdt: LinuxIntelRdt, id = 'c1') {
  return planResctrl(minimalSpec({ linux: { intelRdt } }), id)
}

function texts(intelRdt: LinuxIntelRdt) {
  return plan(intelRdt)?.lines.map(({ text }) => text)
}

t.test('planResctrl() wants nothing without intelRdt (M-102)', async (t) => {
  t.equal(planResctrl(minimalSpec(), 'c1'), undefined)
})

t.test('planResctrl() names the class after closID, else after the container', async (t) => {
  t.strictSame(plan({}), { group: 'c1', isNamed: false, lines: [] })
  t.match(plan({ closID: '' }), { group: 'c1', isNamed: false })
  t.match(plan({ closID: 'gold' }), { group: 'gold', isNamed: true })
  t.match(plan({ closID: '/' }), { group: '', isNamed: true }, 'the default class (M-109)')
})

t.test('planResctrl() keeps the order of the schemata (M-103)', async (t) => {
  const found = plan({
    schemata: ['L2:0=f', 'MB:0=30'],
    memBwSchema: 'MB:0=20',
    l3CacheSchema: 'L3:0=f',
  })
  t.strictSame(found?.lines, [
    { text: 'L3:0=f', pointer: '/linux/intelRdt/l3CacheSchema' },
    { text: 'MB:0=20', pointer: '/linux/intelRdt/memBwSchema' },
    { text: 'L2:0=f', pointer: '/linux/intelRdt/schemata/0' },
    { text: 'MB:0=30', pointer: '/linux/intelRdt/schemata/1' },
  ])
  t.strictSame(texts({ l3CacheSchema: '', memBwSchema: '', schemata: [] }), [])
})

t.test('planResctrl() takes no memory bandwidth from l3CacheSchema', async (t) => {
  const l3CacheSchema = 'L3:0=f\nMB:0=20\nL2:0=3\n'
  t.strictSame(texts({ l3CacheSchema, memBwSchema: 'MB:0=70' }), ['L3:0=f', 'L2:0=3', 'MB:0=70'])
  t.strictSame(texts({ l3CacheSchema: 'MB:0=20' }), [])
})

t.test('planResctrl() refuses what the specification forbids', async (t) => {
  const pointer = '/linux/intelRdt/memBwSchema'
  t.throws(() => plan({ memBwSchema: 'L3:0=f' }), {
    name: 'SpecError',
    pointer,
    message: 'intelRdt.memBwSchema does not start with MB:',
  })
  t.throws(() => plan({ memBwSchema: 'MB:0=10\nL3:0=1' }), { pointer, message: /newline/ })
  for (const closID of ['info', 'mon_data', 'mon_groups']) {
    t.throws(() => plan({ closID }), {
      pointer: '/linux/intelRdt/closID',
      message: `invalid intelRdt.ClosID "${closID}"`,
    })
    t.throws(() => plan({}, closID), { pointer: '/linux/intelRdt', message: /closID is needed/ })
  }
  t.match(plan({ closID: 'gold' }, 'info'), { group: 'gold' }, 'the id is not the directory here')
})

t.test('planResctrl() names the monitoring group after the container', async (t) => {
  t.match(plan({ closID: 'gold', enableMonitoring: true }), { group: 'gold', monitor: 'c1' })
  t.equal(plan({ enableMonitoring: false })?.monitor, undefined)
})
