/** From linux.seccomp to a filter: what is to be decided about each system call. */
import type { LinuxSeccomp, LinuxSyscall, LinuxSyscallArg } from '../../spec/generated/config.ts'

/** What a filter returns for a system call, without its data. @see seccomp(2) */
export const RET = {
  KILL_PROCESS: 0x8000_0000,
  KILL_THREAD: 0,
  TRAP: 0x0003_0000,
  ERRNO: 0x0005_0000,
  USER_NOTIF: 0x7fc0_0000,
  TRACE: 0x7ff0_0000,
  LOG: 0x7ffc_0000,
  ALLOW: 0x7fff_0000,
} as const

/** `SECCOMP_FILTER_FLAG_*` of seccomp(2). */
export const FILTER_FLAG = {
  LOG: 2,
  SPEC_ALLOW: 4,
  NEW_LISTENER: 8,
  WAIT_KILLABLE_RECV: 32,
} as const

export type Operator = 'NE' | 'LT' | 'LE' | 'EQ' | 'GE' | 'GT' | 'MASKED_EQ'

/** One comparison of an argument; of MASKED_EQ `value` is the mask. */
export interface Condition {
  readonly index: number
  readonly op: Operator
  readonly value: number | bigint
  readonly valueTwo: number | bigint
}

/** What becomes of some system calls. One that equals the default says nothing but that they exist. */
export interface SeccompRule {
  readonly names: readonly string[]
  /** `RET`, with its data. */
  readonly action: number
  /** It holds where all conditions of one of these hold; with none in it, always. */
  readonly alternatives: readonly (readonly Condition[])[]
}

export interface SeccompPlan {
  /** `RET`, with its data. */
  readonly defaultAction: number
  /** As in config.json; the machine's own need not be among them. */
  readonly architectures: readonly string[]
  /** In the order of config.json's `syscalls`. */
  readonly rules: readonly SeccompRule[]
  /** `FILTER_FLAG` values that are asked for. */
  readonly flags: number
  /** Those that are added where the kernel has them. */
  readonly preferredFlags: number
  /** System calls that are newer than all that the rules name do not exist: ENOSYS. */
  readonly hidesNewer: boolean
  /** Who is told of system calls, if a rule says so. */
  readonly listener: { readonly path: string; readonly metadata: string } | undefined
}

/** A program for the kernel, and how to load it. */
export interface Filter {
  /** Array of `struct sock_filter`, 8 bytes each, in the machine's byte order. */
  readonly program: Uint8Array
  /** `FILTER_FLAG` values. */
  readonly flags: number
}

const EPERM = 1
const ENOSYS = 38
const DATA = 0xffff

const ACTIONS: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL: RET.KILL_THREAD,
  SCMP_ACT_KILL_THREAD: RET.KILL_THREAD,
  SCMP_ACT_KILL_PROCESS: RET.KILL_PROCESS,
  SCMP_ACT_TRAP: RET.TRAP,
  SCMP_ACT_ERRNO: RET.ERRNO,
  SCMP_ACT_TRACE: RET.TRACE,
  SCMP_ACT_LOG: RET.LOG,
  SCMP_ACT_ALLOW: RET.ALLOW,
  SCMP_ACT_NOTIFY: RET.USER_NOTIF,
}

/** TSYNC is no flag here: the process that loads the filter has one thread. */
const FLAGS: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: FILTER_FLAG.LOG,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: FILTER_FLAG.SPEC_ALLOW,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: FILTER_FLAG.WAIT_KILLABLE_RECV,
}

/**
 * Decides what a valid linux.seccomp comes to.
 *
 * @returns undefined for one that says nothing, as Go programs write it for "no filter"
 */
export function planSeccomp(seccomp: LinuxSeccomp | undefined): SeccompPlan | undefined {
  if (seccomp === undefined) return undefined
  const { defaultAction = '', syscalls = [], flags } = seccomp
  if (defaultAction === '' && syscalls.length === 0) return undefined
  const action = actionOf(defaultAction, seccomp.defaultErrnoRet)
  const rules = syscalls.map(planRule)
  const notifies = rules.some((rule) => rule.action === RET.USER_NOTIF)
  return {
    defaultAction: action,
    architectures: seccomp.architectures ?? [],
    rules,
    flags: (flags ?? []).reduce(
      (all, flag) => all | (FLAGS[flag] ?? 0),
      notifies ? FILTER_FLAG.NEW_LISTENER : 0,
    ),
    preferredFlags: flags === undefined ? FILTER_FLAG.SPEC_ALLOW : 0,
    hidesNewer: hidesNewer(action),
    listener: notifies
      ? { path: seccomp.listenerPath ?? '', metadata: seccomp.listenerMetadata ?? '' }
      : undefined,
  }
}

/**
 * C libraries try a new system call first, and take ENOSYS, but not EPERM, as the sign to do
 * without it: a profile that denies by default would break every program built since it was
 * written. A tracer is to see them all.
 */
function hidesNewer(defaultAction: number): boolean {
  if (defaultAction === (RET.ERRNO | ENOSYS)) return false
  const kind = (defaultAction & ~DATA) >>> 0
  return kind !== RET.ALLOW && kind !== RET.LOG && kind !== RET.TRACE
}

function actionOf(name: string, errno: number | undefined): number {
  const action = ACTIONS[name] ?? RET.KILL_PROCESS
  const hasData = action === RET.ERRNO || action === RET.TRACE
  return hasData ? action | ((errno ?? EPERM) & DATA) : action
}

function planRule({ names, action, errnoRet, args = [] }: LinuxSyscall): SeccompRule {
  const conditions = args.map(planCondition)
  const indexes = new Set(conditions.map(({ index }) => index))
  // one rule cannot compare an argument twice: then each condition is a rule, as runc has it
  const alternatives =
    indexes.size < conditions.length ? conditions.map((condition) => [condition]) : [conditions]
  return { names, action: actionOf(action, errnoRet), alternatives }
}

function planCondition({ index, op, value, valueTwo = 0 }: LinuxSyscallArg): Condition {
  return { index, op: op.replace('SCMP_CMP_', '') as Operator, value, valueTwo }
}

/** The part of a plan that its program depends on, as text: equal texts, equal programs. */
export function programKey(plan: SeccompPlan): string {
  const { defaultAction, architectures, rules, hidesNewer } = plan
  const lines = [`${defaultAction} ${hidesNewer} ${architectures.join(' ')}`]
  for (const { action, alternatives, names } of rules) {
    // names may hold anything; nothing may look like something else
    lines.push(`${action} ${alternatives.map(conditionsText).join('|')} ${JSON.stringify(names)}`)
  }
  return lines.join('\n')
}

function conditionsText(conditions: readonly Condition[]): string {
  return conditions
    .map(({ index, op, value, valueTwo }) => `${index},${op},${value},${valueTwo}`)
    .join('&')
}
