/**
 * The end of the table's rows: the last rights that are taken away, the seccomp filter, and the birth
 * of a further process.
 */
import { CAP_SYS_ADMIN, type CapabilityPlan, capabilityWords } from '../plan/capabilities.ts'
import type { ProcessPlan } from '../plan/process-plan.ts'
import type { Filter } from '../plan/seccomp.ts'
import type { Arg, RowMode } from '../stub/program.ts'
import { LOADED, TAKEN_SIZE } from '../sync/messages.ts'
import { SIG } from '../sys/signal.ts'
import { AT_PROCESS, type NamedRow, PR, row, undumpable, words32 } from './row.ts'

const PR_CAP_AMBIENT = { RAISE: 2, CLEAR_ALL: 4 } as const
const CAPABILITY_VERSION_3 = 0x20080522
const CLONE_PARENT = 0x8000
const TIOCSCTTY = 0x540e
const SECCOMP_SET_MODE_FILTER = 1
const INSTRUCTION_SIZE = 8

/** What these rows depend on besides the plan. */
export interface FilterLaunch {
  /** Descriptor of the sync socket. */
  readonly sync: number
  /** Of a plan with seccomp. */
  readonly filter?: Filter | undefined
  /** Of a further process: its parent loads the filter, for both. */
  readonly isBornFiltered?: boolean
}

/** Pointer of the rows whose failure is a warning. */
export const AMBIENT = '/process/capabilities/ambient'

/**
 * Of the first process. The filter is to judge as little of this as it can: it is loaded last, but
 * without no_new_privs as long as that is allowed. After it come then `capset` and `prctl` for the
 * ambient set, and in any case `write`, `read` and `execve`; less than in runc.
 *
 * @see seccomp(2): it takes CAP_SYS_ADMIN, or no_new_privs
 */
export function lastRightsRows(plan: ProcessPlan, launch: FilterLaunch): NamedRow[] {
  const { load, handOver } = loadRows(plan, launch)
  if (needsNoRight(plan)) return [...finalRows(plan), ...load, ...handOver]
  return [ableToLoad(plan), ...load, ...handOver, ...finalRows(plan)]
}

/**
 * A further process is born here, when its parent, which has joined the container's namespaces but
 * is not in the pid namespace itself, has nothing more to lose: the container never sees it with
 * rights or a root that are not its own (CVE-2016-9962). With no_new_privs the filter is its own
 * affair; for where that is not so see `isBornFiltered` of birth.ts.
 */
export function birthRows(plan: ProcessPlan, launch: FilterLaunch): NamedRow[] {
  const { load, handOver } = loadRows(plan, launch)
  const final = finalRows(plan)
  const born = bornRows(plan)
  if (needsNoRight(plan)) return [...final, undumpable(), ...born, ...load, ...handOver]
  const able = [ableToLoad(plan), undumpable()]
  if (launch.isBornFiltered !== true) return [...able, ...born, ...load, ...handOver, ...final]
  const between = [...final, ...born]
  return [...able, ...load.map((row) => later(row, between.length)), ...between, ...handOver]
}

/** What a filter that is loaded before a birth judges of it. */
export function judgedAtBirth(plan: ProcessPlan): NamedRow[] {
  return [...finalRows(plan), ...bornRows(plan)]
}

/** True if the process does not need CAP_SYS_ADMIN for its filter, or has none. */
export function needsNoRight({ noNewPrivileges, seccomp }: ProcessPlan): boolean {
  return noNewPrivileges || seccomp === undefined
}

/** Its parent makes it a child of tsrun. */
function bornRows({ terminal }: ProcessPlan): NamedRow[] {
  return [
    row('clone', [CLONE_PARENT | SIG.CHLD], AT_PROCESS, { mode: 'fork' }),
    row('setsid', [], AT_PROCESS),
    ...(terminal ? [row('ioctl', [0, TIOCSCTTY, 0], '/process/terminal')] : []),
  ]
}

function finalRows({ capabilities, noNewPrivileges }: ProcessPlan): NamedRow[] {
  const noMore = row('prctl', [PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0], '/process/noNewPrivileges')
  return [capset(capabilities), ...ambientRows(capabilities), ...(noNewPrivileges ? [noMore] : [])]
}

/** Who does not have the right is told so by the call that needs it. */
function ableToLoad({ capabilities: sets }: ProcessPlan): NamedRow {
  const permitted = [...sets.permitted, CAP_SYS_ADMIN]
  return capset({ ...sets, effective: [CAP_SYS_ADMIN], permitted }, 'ignore')
}

function later(row: NamedRow, by: number): NamedRow {
  return row.resultTo === undefined ? row : { ...row, resultTo: row.resultTo + by }
}

/**
 * tsrun is told of a listener at once, for each of the next calls may wait for it. That is why
 * `write` cannot be asked about. When tsrun has it, it is closed here: were the agent to end now,
 * a call would wait for ever for one that only this process could hear.
 *
 * @see seccomp(2), `struct sock_fprog`
 */
function loadRows(
  { seccomp }: ProcessPlan,
  { sync, filter }: FilterLaunch,
): { load: NamedRow[]; handOver: NamedRow[] } {
  if (seccomp === undefined) return { load: [], handOver: [] }
  const { program, flags } = filter ?? { program: new Uint8Array(0), flags: 0 }
  const fprog: Arg = { words: [program.length / INSTRUCTION_SIZE, { bytes: program }] }
  const words = 'SECCOMP_SET_MODE_FILTER'
  const load = row('seccomp', [SECCOMP_SET_MODE_FILTER, flags, fprog], '/linux/seccomp', { words })
  if (seccomp.listener === undefined) return { load: [load], handOver: [] }
  const [at, buffer] = ['/linux/seccomp/listenerPath', new Uint8Array(TAKEN_SIZE)]
  return {
    load: [{ ...load, resultTo: 3 }],
    handOver: [
      row('write', [sync, { string: LOADED }, LOADED.length], at),
      row('read', [sync, { bytes: buffer }, TAKEN_SIZE], at, { mode: 'fatal-or-zero' }),
      row('close', [-1], at, { mode: 'ignore' }),
    ],
  }
}

/** @see capset(2) */
function capset(sets: CapabilityPlan, mode: RowMode = 'fatal'): NamedRow {
  const effective = capabilityWords(sets.effective)
  const permitted = capabilityWords(sets.permitted)
  const inheritable = capabilityWords(sets.inheritable)
  const header = words32([CAPABILITY_VERSION_3, 0])
  const data = words32(
    [0, 1].flatMap((i) => [effective, permitted, inheritable].map((w) => w[i] ?? 0)),
  )
  return row('capset', [header, data], '/process/capabilities', { mode })
}

/** @see capabilities(7) "Ambient" */
function ambientRows(sets: CapabilityPlan): NamedRow[] {
  return [
    row('prctl', [PR.CAP_AMBIENT, PR_CAP_AMBIENT.CLEAR_ALL, 0, 0, 0], '/process/capabilities', {
      words: 'PR_CAP_AMBIENT_CLEAR_ALL',
    }),
    ...sets.ambient.map((number) =>
      row('prctl', [PR.CAP_AMBIENT, PR_CAP_AMBIENT.RAISE, number, 0, 0], AMBIENT, {
        mode: 'warn',
        words: `${number}`,
      }),
    ),
  ]
}
