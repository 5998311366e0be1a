import t from 'tap'
import type { Process } from '../../spec/generated/config.ts'
import { planProcess } from './process-plan.ts'
import { FACTS, minimalSpec } from './testing.ts'

function plan(process: Process, linux = {}) {
  return planProcess(process, minimalSpec({ linux }), FACTS)
}

t.test('planProcess() fills in what is absent', async (t) => {
  t.match(plan({ cwd: '/' }), {
    args: [],
    env: [],
    cwd: '/',
    uid: 0,
    gid: 0,
    additionalGids: [],
    umask: 0o022,
    noNewPrivileges: false,
    rlimits: [],
    scheduler: undefined,
    ioPriority: undefined,
    personality: undefined,
    lastCapability: 40,
  })
})

t.test('planProcess() takes a umask of 0 for what it is', async (t) => {
  t.equal(plan({ cwd: '/', user: { uid: 1, gid: 2, umask: 0 } }).umask, 0)
})

t.test('planProcess() keeps the last of equal names, at its place', async (t) => {
  const env = ['A=1', 'B=2', 'A=3', 'C=x=y', 'AB=4', 'C=']
  t.same(plan({ cwd: '/', env }).env, ['B=2', 'A=3', 'AB=4', 'C='])
})

t.test('planProcess(): a terminal, with a size that is whole', async (t) => {
  const consoleSize = { height: 10, width: 110 }
  t.same(plan({ cwd: '/', terminal: true, consoleSize }).terminal, { size: consoleSize })
  t.same(plan({ cwd: '/', terminal: true }).terminal, { size: undefined })
  const half = { height: 0, width: 110 }
  t.same(plan({ cwd: '/', terminal: true, consoleSize: half }).terminal, { size: undefined })
  t.equal(plan({ cwd: '/', terminal: false, consoleSize }).terminal, undefined)
})

t.test('planProcess() numbers limits, also those beyond 2^53', async (t) => {
  const rlimits = [
    { type: 'RLIMIT_NOFILE' as const, soft: 1024, hard: 2048 },
    { type: 'RLIMIT_RTTIME' as const, soft: 18446744073709551615n, hard: 18446744073709551615n },
  ]
  t.match(plan({ cwd: '/', rlimits } as Process).rlimits, [
    { resource: 7, soft: 1024, hard: 2048, pointer: '/process/rlimits/0' },
    { resource: 15, soft: 18446744073709551615n, pointer: '/process/rlimits/1' },
  ])
})

t.test('planProcess() translates scheduler and priorities', async (t) => {
  const found = plan(
    {
      cwd: '/',
      scheduler: {
        policy: 'SCHED_DEADLINE',
        flags: ['SCHED_FLAG_RESET_ON_FORK', 'SCHED_FLAG_UTIL_CLAMP_MAX'],
        runtime: 10,
        deadline: 20,
        period: 30,
      },
      ioPriority: { class: 'IOPRIO_CLASS_IDLE', priority: 4 },
    },
    { personality: { domain: 'LINUX32' } },
  )
  t.match(found.scheduler, {
    policy: 6,
    flags: 0x41,
    nice: 0,
    runtime: 10,
    deadline: 20,
    period: 30,
  })
  t.equal(found.ioPriority, (3 << 13) | 4)
  t.equal(found.personality, 8)
})
