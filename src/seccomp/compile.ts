/** From a plan to a program, by libseccomp. Takes milliseconds: see cache.ts. */
import { messageOf, SpecError } from '../base/errors.ts'
import type { SeccompPlan, SeccompRule } from '../plan/seccomp.ts'
import {
  type ArgumentComparison,
  architectureToken,
  libseccompApiLevel,
  libseccompVersion,
  nativeArchitecture,
  resolveSyscall,
  resolveSyscallOn,
  SeccompFilter,
} from '../sys/libseccomp.ts'
import { enosysPrefix, type LastSyscall } from './enosys.ts'

/** The token of x32 is libseccomp's own: to the kernel it is x86-64. */
const X32 = 0x4000_003e
const X86_64 = 0xc000_003e

const AT = '/linux/seccomp'

/** With fewer names a tree is no gain, and libseccomp until 2.5.4 makes a wrong one of none. */
const ENOUGH_FOR_TREE = 32
/** Since when SCMP_ACT_NOTIFY is there, together with all that it takes. */
const NOTIFY_LEVEL = 6

/** A compiled filter. */
export interface Compiled {
  /** Array of `struct sock_filter`. */
  readonly program: Uint8Array
  /** Names that no architecture knows; they say nothing. */
  readonly unknown: readonly string[]
}

/**
 * Compiles a filter.
 *
 * @param optimized - false for the plain form of the same program
 * @throws {SpecError} for what libseccomp does not know or take; {Error} if it is not there
 */
export function compileFilter(plan: SeccompPlan, optimized = true): Compiled {
  // the first call of the library: if it is not there, that is what is said
  const tokens = new Set([nativeArchitecture()])
  expectNotify(plan)
  using filter = newFilter(plan)
  addArchitectures(filter, plan, tokens)
  const count = plan.rules.reduce((sum, { names }) => sum + names.length, 0)
  if (optimized && count > ENOUGH_FOR_TREE) filter.optimize()
  const unknown = plan.rules.flatMap((rule, index) => addRule(filter, rule, index, plan))
  const program = filter.export()
  if (!plan.hidesNewer) return { program, unknown }
  const prefix = enosysPrefix(lastSyscalls(plan, tokens))
  const whole = new Uint8Array(prefix.length + program.length)
  whole.set(prefix)
  whole.set(program, prefix.length)
  return { program: whole, unknown }
}

function expectNotify({ listener }: SeccompPlan): void {
  if (listener === undefined) return
  const level = libseccompApiLevel()
  if (level >= NOTIFY_LEVEL) return
  throw new SpecError(
    `seccomp notify unsupported: API level: got ${level}, want at least ${NOTIFY_LEVEL}. ` +
      'Please try with libseccomp >= 2.5.0 and Linux >= 5.7',
    AT,
  )
}

function newFilter({ defaultAction }: SeccompPlan): SeccompFilter {
  try {
    return new SeccompFilter(defaultAction)
  } catch (error) {
    throw new SpecError(`error creating filter: ${messageOf(error)}`, `${AT}/defaultAction`)
  }
}

/** Adds them to `tokens`, too, where the machine's own is already, as in a new filter. */
function addArchitectures(
  filter: SeccompFilter,
  { architectures }: SeccompPlan,
  tokens: Set<number>,
): void {
  architectures.forEach((name, index) => {
    const pointer = `${AT}/architectures/${index}`
    const token = architectureToken(name.replace('SCMP_ARCH_', '').toLowerCase())
    if (token === undefined) {
      const library = `libseccomp ${libseccompVersion()}`
      throw new SpecError(`the seccomp architecture ${name} is not known to ${library}`, pointer)
    }
    tokens.add(token)
    try {
      filter.addArchitecture(token)
    } catch (error) {
      const text = `error adding architecture ${name} to seccomp filter: ${messageOf(error)}`
      throw new SpecError(text, pointer)
    }
  })
}

/** @returns the names that are not known */
function addRule(
  filter: SeccompFilter,
  { names, action, alternatives }: SeccompRule,
  index: number,
  { defaultAction }: SeccompPlan,
): string[] {
  // libseccomp refuses those
  if (action === defaultAction) return []
  const rules = alternatives.map((conditions) =>
    conditions.map(
      ({ index, op, value, valueTwo }): ArgumentComparison => ({
        index,
        op,
        a: value,
        b: valueTwo,
      }),
    ),
  )
  return names.filter((name) => {
    const number = resolveSyscall(name)
    if (number === undefined) return true
    try {
      for (const comparisons of rules) filter.addRule(action, number, comparisons)
    } catch (error) {
      const text = `error adding seccomp filter rule for syscall ${name}: ${messageOf(error)}`
      throw new SpecError(text, `${AT}/syscalls/${index}`)
    }
    return false
  })
}

/** The largest number that the rules name, also those that say nothing else, by architecture. */
function lastSyscalls({ rules }: SeccompPlan, tokens: ReadonlySet<number>): LastSyscall[] {
  const names = new Set(rules.flatMap((rule) => rule.names))
  const last = [...tokens].map((token) => ({ token, number: 0 }))
  for (const name of names) {
    for (const entry of last) {
      entry.number = Math.max(entry.number, resolveSyscallOn(entry.token, name) ?? 0)
    }
  }
  return last
    .filter(({ number }) => number > 0)
    .map(({ token, number }) => ({
      architecture: token === X32 ? X86_64 : token,
      isX32: token === X32,
      number,
    }))
}
