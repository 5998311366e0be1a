import t from 'tap'
import type { LinuxSeccomp } from '../../spec/generated/config.ts'
import { planSeccomp, programKey, type SeccompPlan } from '../plan/seccomp.ts'
import { needs } from '../testing/needs.ts'
import { engineProfile } from '../testing/seccomp-profile.ts'
import { readCached, writeCached } from './cache.ts'
import { compileFilter } from './compile.ts'
import { runFilter, type SeccompData } from './run-filter.ts'
import { AUDIT_ARCH, referenceFilter, X32_BIT } from './testing.ts'

const skip = needs('libseccomp')
const isX86 = process.arch === 'x64'
const NATIVE = isX86 ? AUDIT_ARCH.X86_64 : AUDIT_ARCH.AARCH64

function planOf(seccomp: LinuxSeccomp): SeccompPlan {
  const plan = planSeccomp(seccomp)
  if (plan === undefined) throw new Error('no filter')
  return plan
}

/** Arguments that are the same in every position, and around what the profiles compare with. */
const VALUES: readonly (number | bigint)[] = [
  0,
  1,
  7,
  8,
  9,
  39,
  40,
  41,
  0x2_0000,
  0x2_0008,
  0x7e02_0000,
  0x1000_0000,
  0x11,
  0xffff_fffe,
  0xffff_ffff,
  0x1_0000_0000,
  0x1_0000_0008n,
  0xffff_ffff_ffff_fffen,
  0xffff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0x1234_5678_9abc_def0n,
  0x1234_5678_9abc_def1n,
]

/** Every number that an architecture could have, and some beyond, with `args`. */
function* everyCall(args: readonly (number | bigint)[]): Generator<SeccompData> {
  for (const arch of Object.values(AUDIT_ARCH)) {
    for (let nr = 0; nr < 600; nr++) {
      yield { nr, arch, args }
      if (arch === AUDIT_ARCH.X86_64) yield { nr: nr | X32_BIT, arch, args }
    }
    for (const nr of [999, 1000, 0x3fff_ffff, 0x7fff_ffff, -1]) yield { nr, arch, args }
  }
}

/** Of the values: what decides in the profile of many rules. */
const FEW = [0, 8, 39, 40, 0x1000_0000, 0x1_0000_0008n]

/** The calls that a program does not judge as the plan says. */
function differences(plan: SeccompPlan, program: Uint8Array): string[] {
  const expected = referenceFilter(plan)
  const found: string[] = []
  for (const value of FEW) {
    for (const data of everyCall([value, value, value, value, value, value])) {
      const [is, shall] = [runFilter(program, data), expected(data)]
      if (is === shall) continue
      found.push(`arch ${data.arch.toString(16)} nr ${data.nr} args ${value}: ${is.toString(16)}`)
    }
  }
  return found
}

t.test('a profile of 350 rules: each call on each architecture as the plan says', { skip }, (t) => {
  const plan = planOf(engineProfile())
  const plain = compileFilter(plan, false).program
  const tree = compileFilter(plan).program
  t.notSame(tree, plain)
  t.same(differences(plan, plain).slice(0, 10), [])
  t.same(differences(plan, tree).slice(0, 10), [])
  t.same(compileFilter(plan).program, tree, 'the same each time')
  const [root, key] = [t.testdir(), { text: programKey(plan), library: undefined }]
  writeCached(root, key, tree)
  t.same(readCached(root, key), tree, 'and from the cache')
  t.end()
})

t.test('each action, for one call and by default', { skip }, (t) => {
  const actions = ['KILL', 'KILL_THREAD', 'KILL_PROCESS', 'TRAP', 'ERRNO', 'TRACE', 'LOG', 'ALLOW']
  for (const name of actions) {
    const action = `SCMP_ACT_${name}` as 'SCMP_ACT_ALLOW'
    const other = name === 'ALLOW' ? 'SCMP_ACT_ERRNO' : 'SCMP_ACT_ALLOW'
    const one = planOf({ defaultAction: other, syscalls: [{ names: ['getppid', 'read'], action }] })
    t.same(differences(one, compileFilter(one).program).slice(0, 5), [], name)
    const all = planOf({
      defaultAction: action,
      syscalls: [{ names: ['getppid', 'read'], action: other }],
    })
    t.same(differences(all, compileFilter(all).program).slice(0, 5), [], `${name} by default`)
  }
  const notify = planOf({
    defaultAction: 'SCMP_ACT_ALLOW',
    listenerPath: '/run/agent',
    syscalls: [{ names: ['getppid'], action: 'SCMP_ACT_NOTIFY' }],
  })
  t.same(differences(notify, compileFilter(notify).program).slice(0, 5), [], 'NOTIFY')
  t.end()
})

t.test('each operator, with all 64 bits of an argument', { skip }, (t) => {
  const operators = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ']
  for (const name of operators) {
    for (const value of VALUES) {
      for (const index of [0, 5]) {
        const op = `SCMP_CMP_${name}` as 'SCMP_CMP_EQ'
        const plan = planOf({
          defaultAction: 'SCMP_ACT_ALLOW',
          syscalls: [
            {
              names: ['getppid'],
              action: 'SCMP_ACT_ERRNO',
              args: [{ index, value, valueTwo: value, op }],
            },
          ],
        })
        const { program } = compileFilter(plan)
        const expected = referenceFilter(plan)
        for (const arg of VALUES) {
          const args = [0, 0, 0, 0, 0, 0].map((_, i) => (i === index ? arg : 3))
          const data = { nr: isX86 ? 110 : 173, arch: NATIVE, args }
          if (runFilter(program, data) === expected(data)) continue
          t.fail(`argument ${index}: ${arg} ${name} ${value}`)
        }
      }
    }
  }
  t.pass()
  t.end()
})

t.test('conditions: all of several arguments, any of one argument', { skip }, (t) => {
  const condition = (index: number, value: number) => ({ index, value, op: 'SCMP_CMP_EQ' }) as const
  const and = planOf({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [
      { names: ['getppid'], action: 'SCMP_ACT_ERRNO', args: [condition(0, 1), condition(1, 2)] },
    ],
  })
  const or = planOf({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [
      {
        names: ['getppid'],
        action: 'SCMP_ACT_ERRNO',
        args: [condition(0, 1), condition(0, 2), condition(1, 5)],
      },
    ],
  })
  const verdict = (plan: SeccompPlan, ...args: number[]) => {
    const data = { nr: isX86 ? 110 : 173, arch: NATIVE, args }
    const verdict = runFilter(compileFilter(plan).program, data)
    t.equal(verdict, referenceFilter(plan)(data))
    return verdict
  }
  const [denied, allowed] = [0x5_0001, 0x7fff_0000]
  t.equal(verdict(and, 1, 2), denied)
  t.equal(verdict(and, 1, 3), allowed)
  t.equal(verdict(and, 2, 2), allowed)
  t.equal(verdict(or, 1, 0), denied)
  t.equal(verdict(or, 2, 0), denied)
  t.equal(verdict(or, 3, 5), denied)
  t.equal(verdict(or, 3, 0), allowed)
  t.end()
})

t.test('newer calls than the profile knows do not exist', { skip }, (t) => {
  const names = ['read', 'execve', 'openat2']
  const [openat2, after] = [437, 438]
  const verdict = (seccomp: Omit<LinuxSeccomp, 'syscalls'>, nr: number) => {
    const plan = planOf({ ...seccomp, syscalls: [{ names, action: 'SCMP_ACT_ALLOW' }] })
    return runFilter(compileFilter(plan).program, { nr, arch: NATIVE })
  }
  for (const name of ['ERRNO', 'KILL', 'KILL_PROCESS', 'TRAP'] as const) {
    const defaultAction = `SCMP_ACT_${name}` as const
    t.equal(verdict({ defaultAction }, openat2), 0x7fff_0000, name)
    t.equal(verdict({ defaultAction }, after), 0x5_0026, name)
    t.not(verdict({ defaultAction }, openat2 - 1), 0x5_0026, name)
  }
  for (const name of ['LOG', 'TRACE', 'ALLOW'] as const) {
    t.not(verdict({ defaultAction: `SCMP_ACT_${name}` }, after), 0x5_0026, name)
  }
  t.end()
})

t.test('names that no architecture knows are told, and say nothing', { skip }, (t) => {
  const plan = planOf({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['no_such_call', 'getppid', ''], action: 'SCMP_ACT_ERRNO' }],
  })
  const { unknown, program } = compileFilter(plan)
  t.same(unknown, ['no_such_call', ''])
  t.same(differences(plan, program), [])
  t.end()
})

t.test('what cannot be compiled has a place in config.json', { skip }, (t) => {
  const refusal = (seccomp: Partial<LinuxSeccomp>) =>
    compileFilter(planOf({ defaultAction: 'SCMP_ACT_ALLOW', ...seccomp }))
  t.throws(() => refusal({ architectures: ['SCMP_ARCH_ARM', 'SCMP_ARCH_S390X'] }), {
    name: 'SpecError',
    pointer: '/linux/seccomp/architectures/1',
    message: /adding architecture SCMP_ARCH_S390X/,
  })
  t.end()
})
