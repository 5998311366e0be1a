import t from 'tap'
import type { LinuxSeccomp, LinuxSyscall } from '../../spec/generated/config.ts'
import { planSeccomp, programKey, RET, type SeccompPlan } from './seccomp.ts'

function planOf(seccomp: Partial<LinuxSeccomp>): SeccompPlan {
  const plan = planSeccomp({ defaultAction: 'SCMP_ACT_ALLOW', ...seccomp })
  if (plan === undefined) throw new Error('no plan')
  return plan
}

const ruleOf = (rule: Partial<LinuxSyscall>) =>
  planOf({ syscalls: [{ names: ['read'], action: 'SCMP_ACT_ERRNO', ...rule }] }).rules[0]

t.test('no filter: none, and the empty one of Go programs', (t) => {
  t.equal(planSeccomp(undefined), undefined)
  t.equal(planSeccomp({}), undefined)
  t.equal(planSeccomp({ defaultAction: '', syscalls: [] }), undefined)
  t.ok(planSeccomp({ defaultAction: 'SCMP_ACT_ALLOW' }))
  t.end()
})

t.test('actions and their numbers', (t) => {
  t.equal(planOf({ defaultAction: 'SCMP_ACT_KILL' }).defaultAction, 0)
  t.equal(planOf({ defaultAction: 'SCMP_ACT_KILL_THREAD' }).defaultAction, 0)
  t.equal(planOf({ defaultAction: 'SCMP_ACT_KILL_PROCESS' }).defaultAction, 0x8000_0000)
  t.equal(planOf({ defaultAction: 'SCMP_ACT_ERRNO' }).defaultAction, 0x5_0001, 'EPERM')
  t.equal(planOf({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 0 }).defaultAction, 0x5_0000)
  t.equal(planOf({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 38 }).defaultAction, 0x5_0026)
  t.equal(planOf({ defaultAction: 'SCMP_ACT_TRACE' }).defaultAction, 0x7ff0_0001)
  t.equal(ruleOf({ action: 'SCMP_ACT_TRACE', errnoRet: 0xffff })?.action, 0x7ff0_ffff)
  t.equal(ruleOf({ action: 'SCMP_ACT_LOG' })?.action, RET.LOG)
  t.equal(ruleOf({ errnoRet: 100 })?.action, 0x5_0064)
  t.end()
})

t.test('flags: as asked for; without any, SPEC_ALLOW where there is such a thing', (t) => {
  const flags = (seccomp: Partial<LinuxSeccomp>) => {
    const plan = planOf(seccomp)
    return [plan.flags, plan.preferredFlags]
  }
  t.same(flags({}), [0, 4])
  t.same(flags({ flags: [] }), [0, 0])
  t.same(flags({ flags: ['SECCOMP_FILTER_FLAG_TSYNC'] }), [0, 0])
  t.same(flags({ flags: ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW'] }), [6, 0])
  const syscalls: LinuxSyscall[] = [{ names: ['mkdir'], action: 'SCMP_ACT_NOTIFY' }]
  t.same(flags({ syscalls }), [8, 4])
  t.same(flags({ syscalls, flags: ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'] }), [40, 0])
  t.end()
})

t.test('a listener only where a rule asks for one', (t) => {
  const listener = { listenerPath: '/run/a', listenerMetadata: 'm' }
  t.equal(planOf(listener).listener, undefined)
  const syscalls: LinuxSyscall[] = [{ names: ['mkdir'], action: 'SCMP_ACT_NOTIFY' }]
  t.same(planOf({ ...listener, syscalls }).listener, { path: '/run/a', metadata: 'm' })
  t.end()
})

t.test('conditions: together, or one by one where an argument is compared twice', (t) => {
  const op = 'SCMP_CMP_EQ'
  const condition = (index: number, value: number | bigint) => ({
    index,
    op: 'EQ',
    value,
    valueTwo: 0,
  })
  t.same(ruleOf({})?.alternatives, [[]])
  t.same(ruleOf({ args: [] })?.alternatives, [[]])
  t.same(
    ruleOf({
      args: [
        { index: 0, value: 1, op },
        { index: 1, value: 2n ** 64n - 1n, op },
      ],
    })?.alternatives,
    [[condition(0, 1), condition(1, 2n ** 64n - 1n)]],
  )
  t.same(
    ruleOf({
      args: [
        { index: 0, value: 1, op },
        { index: 1, value: 3, op },
        { index: 0, value: 2, op },
      ],
    })?.alternatives,
    [[condition(0, 1)], [condition(1, 3)], [condition(0, 2)]],
  )
  t.end()
})

t.test('newer calls are hidden by what denies, unless it says ENOSYS itself', (t) => {
  const hides = (defaultAction: string, defaultErrnoRet?: number) =>
    planOf({ defaultAction, ...(defaultErrnoRet !== undefined && { defaultErrnoRet }) }).hidesNewer
  for (const action of ['KILL', 'KILL_THREAD', 'KILL_PROCESS', 'TRAP', 'ERRNO']) {
    t.equal(hides(`SCMP_ACT_${action}`), true, action)
  }
  for (const action of ['ALLOW', 'LOG', 'TRACE'])
    t.equal(hides(`SCMP_ACT_${action}`), false, action)
  t.equal(hides('SCMP_ACT_ERRNO', 13), true)
  t.equal(hides('SCMP_ACT_ERRNO', 38), false)
  t.end()
})

t.test('the key: another for each plan that could have another program', (t) => {
  const args = [{ index: 0, value: 1, op: 'SCMP_CMP_EQ' as const }]
  const rule = (change: Partial<LinuxSyscall>) =>
    planOf({
      syscalls: [{ names: ['read', 'write'], action: 'SCMP_ACT_ERRNO', args, ...change }],
    })
  const [first] = args
  const plans = [
    planOf({}),
    planOf({ defaultAction: 'SCMP_ACT_LOG' }),
    planOf({ architectures: ['SCMP_ARCH_X86'] }),
    planOf({ architectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] }),
    rule({}),
    rule({ names: ['read write'] }),
    rule({ names: ['read","write'] }),
    rule({ names: ['read'] }),
    rule({ action: 'SCMP_ACT_LOG' }),
    rule({ errnoRet: 2 }),
    rule({ args: [] }),
    rule({ args: [{ index: 1, value: 1, op: 'SCMP_CMP_EQ' }] }),
    rule({ args: [{ index: 0, value: 1, op: 'SCMP_CMP_NE' }] }),
    rule({ args: [{ index: 0, value: 1, valueTwo: 1, op: 'SCMP_CMP_EQ' }] }),
    rule({ args: [{ index: 0, value: 9007199254740993n, op: 'SCMP_CMP_EQ' }] }),
    rule({ args: [{ index: 0, value: 9007199254740992n, op: 'SCMP_CMP_EQ' }] }),
    rule({ args: first ? [first, { ...first, index: 1 }] : [] }),
    rule({ args: first ? [first, first] : [] }),
  ]
  t.equal(new Set(plans.map(programKey)).size, plans.length)
  t.equal(programKey(rule({})), programKey(rule({})))
  const flags = planOf({ flags: ['SECCOMP_FILTER_FLAG_LOG'] })
  t.equal(programKey(flags), programKey(planOf({})), 'flags are no part of the program')
  t.end()
})
