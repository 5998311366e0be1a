/** What a plan means, without libseccomp's compiler: to hold programs against. */
import { type Condition, RET, type SeccompPlan, type SeccompRule } from '../plan/seccomp.ts'
import { architectureToken, nativeArchitecture, resolveSyscallOn } from '../sys/libseccomp.ts'
import type { SeccompData } from './run-filter.ts'

export const AUDIT_ARCH = {
  X86_64: 0xc000_003e,
  I386: 0x4000_0003,
  AARCH64: 0xc000_00b7,
  ARM: 0x4000_0028,
} as const
const X32_TOKEN = 0x4000_003e
export const X32_BIT = 0x4000_0000
const ENOSYS = 38
/** No system call: what a tracer makes of one that it skips. */
const SKIPPED = -1

/**
 * Of i386 libseccomp tells no numbers for what once was a part of socketcall(2) and ipc(2), but
 * filters these calls by both.
 */
const DIRECT_ON_I386: Readonly<Record<string, number>> = {
  recvmmsg: 337,
  sendmmsg: 345,
  socket: 359,
  socketpair: 360,
  bind: 361,
  connect: 362,
  listen: 363,
  accept4: 364,
  getsockopt: 365,
  setsockopt: 366,
  getsockname: 367,
  getpeername: 368,
  sendto: 369,
  sendmsg: 370,
  recvfrom: 371,
  recvmsg: 372,
  shutdown: 373,
  semget: 393,
  semctl: 394,
  shmget: 395,
  shmctl: 396,
  shmat: 397,
  shmdt: 398,
  msgget: 399,
  msgsnd: 400,
  msgrcv: 401,
  msgctl: 402,
}

const HOLDS: Readonly<Record<Condition['op'], (a: bigint, b: bigint, c: bigint) => boolean>> = {
  NE: (a, b) => a !== b,
  LT: (a, b) => a < b,
  LE: (a, b) => a <= b,
  EQ: (a, b) => a === b,
  GE: (a, b) => a >= b,
  GT: (a, b) => a > b,
  MASKED_EQ: (a, b, c) => (a & b) === c,
}

/** The decisions for one architecture. */
interface Table {
  readonly isWide: boolean
  readonly last: number
  readonly rules: ReadonlyMap<number, readonly SeccompRule[]>
}

function tableOf(plan: SeccompPlan, token: number, isWide: boolean): Table {
  const rules = new Map<number, SeccompRule[]>()
  let last = 0
  for (const rule of plan.rules) {
    for (const name of rule.names) {
      const told = resolveSyscallOn(token, name) ?? SKIPPED
      last = Math.max(last, told)
      const direct = token === AUDIT_ARCH.I386 ? DIRECT_ON_I386[name] : undefined
      const number = direct ?? told
      if (number < 0) continue
      rules.set(number, [...(rules.get(number) ?? []), rule])
    }
  }
  return { isWide, last, rules }
}

function matches({ alternatives }: SeccompRule, args: readonly bigint[], isWide: boolean): boolean {
  const bits = isWide ? 64 : 32
  return alternatives.some((conditions) =>
    conditions.every(({ index, op, value, valueTwo }) => {
      const [a, b, c] = [args[index] ?? 0n, BigInt(value), BigInt(valueTwo)].map((number) =>
        BigInt.asUintN(bits, number),
      )
      return HOLDS[op](a ?? 0n, b ?? 0n, c ?? 0n)
    }),
  )
}

/**
 * What a filter of the plan is to return. For rules of one system call that can hold together, all
 * with the same action.
 */
export function referenceFilter(plan: SeccompPlan): (data: SeccompData) => number {
  const named = plan.architectures.map((name) => {
    const token = architectureToken(name.replace('SCMP_ARCH_', '').toLowerCase())
    if (token === undefined) throw new Error(name)
    return token
  })
  const tables = new Map<number, Table>()
  for (const token of new Set([nativeArchitecture(), ...named])) {
    tables.set(token, tableOf(plan, token, (token & 0x8000_0000) !== 0))
  }
  return ({ nr, arch, args = [] }) => {
    const isX32 = arch === AUDIT_ARCH.X86_64 && (nr & X32_BIT) !== 0
    // without x32 libseccomp leaves this one out of what it kills
    if (isX32 && nr === SKIPPED && !tables.has(X32_TOKEN)) return plan.defaultAction
    const table = tables.get(isX32 ? X32_TOKEN : arch)
    if (table === undefined) return RET.KILL_THREAD
    if (plan.hidesNewer && table.last > 0 && nr >>> 0 > table.last) return RET.ERRNO | ENOSYS
    const values = args.map((value) => BigInt(value))
    const rule = (table.rules.get(nr) ?? []).find((one) => matches(one, values, table.isWide))
    return rule?.action ?? plan.defaultAction
  }
}
