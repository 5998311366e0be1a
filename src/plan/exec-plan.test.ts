import t from 'tap'
import type { Process, Spec } from '../../spec/generated/config.ts'
import { CLONE } from '../sys/process.ts'
import { changedProcess, completedProcess, type ProcessChanges, planExec } from './exec-plan.ts'

const CONFIGURED: Process = {
  args: ['first'],
  cwd: '/srv',
  env: ['PATH=/bin', 'A=1'],
  terminal: true,
  user: { uid: 7, gid: 8, additionalGids: [9], umask: 63 },
  capabilities: { bounding: ['CAP_KILL'], effective: ['CAP_KILL'], permitted: ['CAP_KILL'] },
  rlimits: [{ type: 'RLIMIT_NOFILE', soft: 10, hard: 20 }],
  noNewPrivileges: true,
  oomScoreAdj: 100,
  ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 4 },
  scheduler: { policy: 'SCHED_BATCH', nice: 19 },
  execCPUAffinity: { initial: '0', final: '0-1,3' },
}
const SPEC = {
  ociVersion: '1.2.0',
  process: CONFIGURED,
  linux: {
    namespaces: [{ type: 'pid' }, { type: 'mount' }, { type: 'network', path: '/run/netns/x' }],
    personality: { domain: 'LINUX32' },
  },
} as Spec
const NOTHING: ProcessChanges = {
  args: ['more', 'words'],
  env: [],
  additionalGids: [],
  capabilities: [],
  terminal: false,
}
const LAST_CAPABILITY = 40

t.test('without flags everything but arguments and terminal is as configured', async (t) => {
  t.same(changedProcess(SPEC, NOTHING), {
    ...CONFIGURED,
    args: ['more', 'words'],
    terminal: false,
  })
})

t.test('flags replace or add', async (t) => {
  const changed = changedProcess(SPEC, {
    ...NOTHING,
    cwd: '/tmp',
    env: ['A=2', 'B=3'],
    user: { uid: 1000 },
    additionalGids: [100],
    noNewPrivileges: false,
    terminal: true,
  })
  t.match(changed, {
    cwd: '/tmp',
    env: ['PATH=/bin', 'A=1', 'A=2', 'B=3'],
    noNewPrivileges: false,
    terminal: true,
  })
  t.same(changed.user, { uid: 1000, gid: 8, additionalGids: [9, 100], umask: 63 })
  const both = changedProcess(SPEC, { ...NOTHING, user: { uid: 0, gid: 0 } })
  t.match(both.user, { uid: 0, gid: 0 })
})

t.test(
  'capabilities are added to three sets; to ambient only beside inheritable (T-07)',
  async (t) => {
    const add = (capabilities: Process['capabilities']) => {
      const process = { ...CONFIGURED, ...(capabilities && { capabilities }) }
      const spec = { ...SPEC, process }
      return changedProcess(spec, { ...NOTHING, capabilities: ['CAP_NET_RAW'] }).capabilities
    }
    const three = ['CAP_KILL', 'CAP_NET_RAW']
    t.same(add(undefined), { bounding: three, effective: three, permitted: three })
    t.same(add({ inheritable: [] }), {
      bounding: ['CAP_NET_RAW'],
      effective: ['CAP_NET_RAW'],
      permitted: ['CAP_NET_RAW'],
      inheritable: [],
      ambient: ['CAP_NET_RAW'],
    })
    const { capabilities: _, ...without } = CONFIGURED
    const bare = changedProcess(
      { ...SPEC, process: without },
      { ...NOTHING, capabilities: ['CAP_A'] },
    )
    t.same(bare.capabilities, { bounding: ['CAP_A'], effective: ['CAP_A'], permitted: ['CAP_A'] })
  },
)

t.test('a process.json inherits what belongs to the container, and nothing else', async (t) => {
  const { capabilities, ioPriority, scheduler, execCPUAffinity, oomScoreAdj } = CONFIGURED
  t.same(completedProcess(SPEC, { args: ['x'], cwd: '/' }), {
    args: ['x'],
    cwd: '/',
    capabilities,
    ioPriority,
    scheduler,
    execCPUAffinity,
    oomScoreAdj,
    user: { umask: 63 },
  })
  const own: Process = {
    args: ['x'],
    cwd: '/',
    user: { uid: 1, gid: 2, umask: 0 },
    capabilities: {},
    oomScoreAdj: 0,
    ioPriority: { class: 'IOPRIO_CLASS_IDLE' },
    scheduler: { policy: 'SCHED_IDLE' },
    execCPUAffinity: {},
  }
  t.same(completedProcess(SPEC, own), own, 'what it says wins, also when that is nothing')
})

t.test('planExec()', async (t) => {
  const plan = planExec(SPEC, CONFIGURED, LAST_CAPABILITY, 2)
  t.equal(plan.namespaces, CLONE.NEWPID | CLONE.NEWNS | CLONE.NEWNET)
  t.same(plan.initialCpus, [0])
  t.equal(plan.oomScoreAdj, 100)
  t.match(plan.scheduler, { policy: 3, nice: 19 }, 'for tsrun to set')
  t.equal(plan.process.scheduler, undefined)
  t.match(plan.process, {
    affinity: [0, 1, 3],
    personality: 8,
    passedDescriptors: 2,
    ioPriority: (2 << 13) | 4,
    umask: 63,
    uid: 7,
  })
})

t.test('CPUs: without `final` those at the beginning stay; without both, all', async (t) => {
  const { execCPUAffinity: _, ...without } = CONFIGURED
  const plan = (execCPUAffinity?: Process['execCPUAffinity']) => {
    const process = { ...without, ...(execCPUAffinity && { execCPUAffinity }) }
    const { initialCpus, process: planned } = planExec(SPEC, process, LAST_CAPABILITY, 0)
    return [initialCpus, planned.affinity]
  }
  t.same(plan({ initial: '1' }), [[1], 'kept'])
  t.same(plan({ final: '1' }), [undefined, [1]])
  t.same(plan({ initial: '', final: '' }), [undefined, undefined])
  t.same(plan(), [undefined, undefined])
})
