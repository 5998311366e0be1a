import t from 'tap'
import { CAPABILITIES, capabilityWords, planCapabilities } from './capabilities.ts'

const EMPTY = { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] }

t.test('CAPABILITIES has the kernel order', async (t) => {
  t.equal(CAPABILITIES.length, 41)
  t.equal(CAPABILITIES.indexOf('KILL'), 5)
  t.equal(CAPABILITIES.indexOf('SYS_ADMIN'), 21)
  t.equal(CAPABILITIES.indexOf('CHECKPOINT_RESTORE'), 40)
})

t.test('planCapabilities() keeps the sets apart', async (t) => {
  const plan = planCapabilities(
    { bounding: ['CAP_CHOWN', 'CAP_KILL'], ambient: ['CAP_BPF'], permitted: ['CAP_SYS_ADMIN'] },
    40,
  )
  t.same(plan, { ...EMPTY, bounding: [0, 5], ambient: [39], permitted: [21], unknown: [] })
})

t.test('planCapabilities() gives nothing when nothing is granted', async (t) => {
  t.same(planCapabilities(undefined, 40), { ...EMPTY, unknown: [] })
})

t.test('planCapabilities() names each unknown one once', async (t) => {
  const names = ['CAP_NOPE', 'CAP_BPF', 'KILL', 'CAP_CHOWN']
  const plan = planCapabilities({ bounding: names, effective: ['CAP_NOPE'] }, 37)
  t.same(plan.bounding, [0])
  t.same(plan.unknown, ['CAP_BPF', 'CAP_NOPE', 'KILL'])
})

t.test('capabilityWords() splits at 32', async (t) => {
  t.same(capabilityWords([]), [0, 0])
  t.same(capabilityWords([0, 31, 32, 40]), [0x80000001, 0x101])
})
