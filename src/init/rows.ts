/**
 * What takes the first process's privileges away and makes it the container's program, as a table
 * of system calls for the last-exec stub. Each row also has a name and a place in config.json; the
 * stub reports row numbers, so names never enter the container.
 */
import { type CapabilityPlan, capabilityWords } from '../plan/capabilities.ts'
import type { LabelPlan } from '../plan/labels.ts'
import type { ProcessPlan, SchedulerPlan } from '../plan/process-plan.ts'
import type { Filter, SeccompPlan } from '../plan/seccomp.ts'
import { type Arg, EXIT_ON_SIGNAL, type Row, type RowMode } from '../stub/program.ts'
import { LOADED, READY, TAKEN_SIZE } from '../sync/messages.ts'
import { O } from '../sys/file.ts'
import { NR, type SyscallName } from '../sys/numbers.ts'
import { CPU_SET_BYTES, cpuSet } from '../sys/scheduling.ts'
import { SIG } from '../sys/signal.ts'
import { type Labelling, labelFile } from './labels.ts'
import { STRICTLY } from './procfs.ts'

const PR = {
  SET_PDEATHSIG: 1,
  SET_DUMPABLE: 4,
  SET_KEEPCAPS: 8,
  SET_NAME: 15,
  CAPBSET_DROP: 24,
  SET_NO_NEW_PRIVS: 38,
  CAP_AMBIENT: 47,
} as const
const PR_CAP_AMBIENT = { RAISE: 2, CLEAR_ALL: 4 } as const
const RLIMIT_NOFILE = 7
const IOPRIO_WHO_PGRP = 2
const CAPABILITY_VERSION_3 = 0x20080522
const F_SETFD = 2
const FD_CLOEXEC = 1
const SCHED_ATTR_SIZE = 48
const SIGSET_SIZE = 8
const OPEN_FLAGS = O.WRONLY | O.CLOEXEC
const OPEN_HOW_SIZE = 24
/** For names of rows alone. */
const NOWHERE: Labelling = {
  procfs: -1,
  free: -1,
  directory: 'self/attr',
  isStrict: true,
  hasModules: true,
}
const CLONE_PARENT = 0x8000
const TIOCSCTTY = 0x540e
/** Pointer of the rows that nothing in the configuration asks for. */
const AT_PROCESS = '/process'
const CAP_SYS_ADMIN = 21
const SECCOMP_SET_MODE_FILTER = 1
const INSTRUCTION_SIZE = 8

/** A row, with what failed if it does. */
export interface NamedRow extends Row {
  readonly name: string
  readonly pointer: string
  /** Its result becomes the first argument of the row that is so many behind it. */
  readonly resultTo?: number
}

/** What the table depends on besides the plan. */
export interface Launch {
  /** Absolute path of the program, or relative to the working directory. */
  readonly path: string
  readonly env: readonly string[]
  /** Descriptor of the sync socket. */
  readonly sync: number
  /** Descriptor of the fifo that the first process waits on; absent for a further one, of exec. */
  readonly fifo?: number
  /** Absent: there are no labels. */
  readonly labelling?: Labelling
  /** RLIMIT_NOFILE as the caller had it. */
  readonly callerNofile: readonly [soft: bigint, hard: bigint]
  /** Of a plan with seccomp. */
  readonly filter?: Filter | undefined
}

function row(
  call: SyscallName,
  args: readonly Arg[],
  pointer: string,
  options: { mode?: RowMode; words?: string } = {},
): NamedRow {
  const name = options.words === undefined ? call : `${call} ${options.words}`
  return { nr: NR[call], args, mode: options.mode ?? 'fatal', name, pointer }
}

function words32(values: readonly number[]): Arg {
  const bytes = new Uint8Array(Math.max(4, values.length * 4))
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => {
    view.setUint32(i * 4, value, true)
  })
  return { bytes }
}

/** The whole table, in order. */
export function planRows(plan: ProcessPlan, launch: Launch): NamedRow[] {
  return orderedRows(plan, launch).map((row, index) =>
    row.resultTo === undefined ? row : { ...row, dst: { row: index + row.resultTo, arg: 0 } },
  )
}

function orderedRows(plan: ProcessPlan, launch: Launch): NamedRow[] {
  return [
    // an execve, of the stub too, makes the process visible to its neighbours again
    row('prctl', [PR.SET_DUMPABLE, 0], '/process', { words: 'PR_SET_DUMPABLE' }),
    row('prctl', [PR.SET_NAME, { string: 'tsrun:init' }], '/process', { mode: 'ignore' }),
    ...labelRows(plan.labels, launch.labelling),
    ...schedulingRows(plan),
    ...rlimitRows(plan, launch.callerNofile),
    ...credentialRows(plan),
    ...(launch.fifo === undefined
      ? [...capabilityRows(plan, launch), ...bornRows(plan), ...answerRows(launch.sync)]
      : [
          ...waitingRows(launch.sync, launch.fifo),
          ...capabilityRows(plan, launch),
          ...startRows(launch.sync, launch.fifo),
        ]),
    row(
      'execve',
      [{ string: launch.path }, { strings: plan.args }, { strings: launch.env }],
      '/process/args',
      { mode: 'final' },
    ),
  ]
}

/** What row number `index` of a plan's table is called, and where it comes from. */
export function describeRow(
  plan: ProcessPlan,
  index: number,
  which: 'first' | 'further' = 'first',
): { name: string; pointer: string } {
  const launch: Launch = { path: '', env: [], sync: -1, callerNofile: [0n, 0n] }
  const rows = planRows(plan, which === 'first' ? { ...launch, fifo: -1 } : launch)
  return rows[index] ?? { name: `row ${index}`, pointer: '/process' }
}

/** For the next execve; before the user changes, whom the files do not belong to. */
function labelRows(labels: readonly LabelPlan[], labelling: Labelling = NOWHERE): NamedRow[] {
  if (labels.length === 0) return []
  const { procfs, free, isStrict } = labelling
  const rows = labels.flatMap((label): NamedRow[] => {
    const file = labelFile(label, labelling)
    const pointer = `/process/${label.member}`
    const path: Arg = { string: file }
    const words = `/proc/${file}`
    const how: Arg = { words: [OPEN_FLAGS, 0, STRICTLY] }
    const opened = isStrict
      ? row('openat2', [procfs, path, how, OPEN_HOW_SIZE], pointer, { words })
      : row('openat', [procfs, path, OPEN_FLAGS | O.NOFOLLOW, 0], pointer, { words })
    return [
      { ...opened, resultTo: 1 },
      row('write', [free, { string: label.value }, Buffer.byteLength(label.value)], pointer, {
        words: `${JSON.stringify(label.value)} to /proc/${file}`,
      }),
      row('close', [free], pointer),
    ]
  })
  return [...rows, row('close', [procfs], AT_PROCESS, { words: '/proc' })]
}

function schedulingRows(plan: ProcessPlan): NamedRow[] {
  const rows = affinityRows(plan.affinity)
  if (plan.scheduler !== undefined) {
    const attr: Arg = { bytes: schedulerAttributes(plan.scheduler) }
    rows.push(row('sched_setattr', [0, attr, 0], '/process/scheduler'))
  }
  if (plan.ioPriority !== undefined) {
    const args = [IOPRIO_WHO_PGRP, 0, plan.ioPriority]
    rows.push(row('ioprio_set', args, '/process/ioPriority'))
  }
  if (plan.personality !== undefined) {
    rows.push(row('personality', [plan.personality], '/linux/personality'))
  }
  return rows
}

function affinityRows(affinity: ProcessPlan['affinity']): NamedRow[] {
  if (affinity === 'kept') return []
  const call = 'sched_setaffinity'
  if (affinity !== undefined) {
    const pointer = '/process/execCPUAffinity/final'
    return [row(call, [0, CPU_SET_BYTES, { bytes: cpuSet(affinity) }], pointer)]
  }
  // the cpuset decides, not the caller's own affinity
  const every = new Uint8Array(CPU_SET_BYTES).fill(0xff)
  return [row(call, [0, CPU_SET_BYTES, { bytes: every }], '/process', { mode: 'ignore' })]
}

/** struct sched_attr. @see sched_setattr(2) */
export function schedulerAttributes(plan: SchedulerPlan): Uint8Array {
  const bytes = new Uint8Array(SCHED_ATTR_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, SCHED_ATTR_SIZE, true)
  view.setUint32(4, plan.policy, true)
  view.setBigUint64(8, BigInt(plan.flags), true)
  view.setInt32(16, plan.nice, true)
  view.setUint32(20, plan.priority, true)
  view.setBigUint64(24, BigInt(plan.runtime), true)
  view.setBigUint64(32, BigInt(plan.deadline), true)
  view.setBigUint64(40, BigInt(plan.period), true)
  return bytes
}

/** Limits come before the privileges go: raising a hard limit needs CAP_SYS_RESOURCE. */
function rlimitRows(plan: ProcessPlan, callerNofile: Launch['callerNofile']): NamedRow[] {
  const [soft, hard] = callerNofile
  const restored: Arg = { words: [soft, hard] }
  return [
    // the engine has raised the soft limit for itself
    row('prlimit64', [0, RLIMIT_NOFILE, restored, 0], '/process/rlimits', { mode: 'ignore' }),
    ...plan.rlimits.map((limit) => {
      const pair: Arg = { words: [limit.soft, limit.hard] }
      const words = `${limit.type} soft ${limit.soft} hard ${limit.hard}`
      return row('prlimit64', [0, limit.resource, pair, 0], limit.pointer, { words })
    }),
  ]
}

function credentialRows(plan: ProcessPlan): NamedRow[] {
  const { uid, gid, additionalGids: gids, capabilities } = plan
  const user = '/process/user'
  return [
    ...boundingRows(capabilities, plan.lastCapability),
    row('prctl', [PR.SET_KEEPCAPS, 1], '/process/capabilities', { words: 'PR_SET_KEEPCAPS' }),
    row('setgroups', [gids.length, words32(gids)], `${user}/additionalGids`, { words: `${gids}` }),
    row('setresgid', [gid, gid, gid], `${user}/gid`, { words: `${gid}` }),
    row('setresuid', [uid, uid, uid], `${user}/uid`, { words: `${uid}` }),
    row('prctl', [PR.SET_KEEPCAPS, 0], '/process/capabilities', { words: 'PR_SET_KEEPCAPS' }),
    row('umask', [plan.umask], `${user}/umask`),
  ]
}

function boundingRows({ bounding }: CapabilityPlan, last: number): NamedRow[] {
  const kept = new Set(bounding)
  const rows: NamedRow[] = []
  for (let number = 0; number <= last; number++) {
    if (kept.has(number)) continue
    const words = `PR_CAPBSET_DROP ${number}`
    const pointer = '/process/capabilities/bounding'
    rows.push(row('prctl', [PR.CAPBSET_DROP, number], pointer, { words }))
  }
  return rows
}

/** Pointer of the rows whose failure is a warning. */
export const AMBIENT = '/process/capabilities/ambient'

/**
 * The last that is taken away, and the filter, which is to judge as little of this as it can: it
 * is loaded last, but without no_new_privs as long as that is allowed. After it come then `capset`
 * and `prctl` for the ambient set, and in any case `write`, `read` and `execve`; less than in runc.
 *
 * @see seccomp(2): it takes CAP_SYS_ADMIN, or no_new_privs
 */
function capabilityRows(plan: ProcessPlan, launch: Launch): NamedRow[] {
  const { capabilities: sets } = plan
  const filterRows = plan.seccomp === undefined ? [] : loadRows(plan.seccomp, launch)
  if (plan.noNewPrivileges) {
    const noMore = row('prctl', [PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0], '/process/noNewPrivileges')
    return [capset(sets), ...ambientRows(sets), noMore, ...filterRows]
  }
  if (filterRows.length === 0) return [capset(sets), ...ambientRows(sets)]
  const withAdmin = {
    ...sets,
    effective: [CAP_SYS_ADMIN],
    permitted: [...sets.permitted, CAP_SYS_ADMIN],
  }
  // who does not have it is told so by the call that needs it
  return [capset(withAdmin, 'ignore'), ...filterRows, capset(sets), ...ambientRows(sets)]
}

/**
 * tsrun is told of a listener at once, for each of the next calls may wait for it. That is why
 * `write` cannot be asked about. When tsrun has it, it is closed here: were the agent to end now,
 * a call would wait for ever for one that only this process could hear.
 *
 * @see seccomp(2), `struct sock_fprog`
 */
function loadRows({ listener }: SeccompPlan, { sync, filter }: Launch): NamedRow[] {
  const { program, flags } = filter ?? { program: new Uint8Array(0), flags: 0 }
  const fprog: Arg = { words: [program.length / INSTRUCTION_SIZE, { bytes: program }] }
  const words = 'SECCOMP_SET_MODE_FILTER'
  const load = row('seccomp', [SECCOMP_SET_MODE_FILTER, flags, fprog], '/linux/seccomp', { words })
  if (listener === undefined) return [load]
  const [at, buffer] = ['/linux/seccomp/listenerPath', new Uint8Array(TAKEN_SIZE)]
  return [
    { ...load, resultTo: 3 },
    row('write', [sync, { string: LOADED }, LOADED.length], at),
    row('read', [sync, { bytes: buffer }, TAKEN_SIZE], at, { mode: 'fatal-or-zero' }),
    row('close', [-1], at, { mode: 'ignore' }),
  ]
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

/** What has to be different while it waits, and needs no privileges. */
function waitingRows(sync: number, fifo: number): NamedRow[] {
  return [
    undumpable(),
    // as first process of a pid namespace it would be deaf to these while it waits
    ...[SIG.HUP, SIG.INT, SIG.QUIT, SIG.TERM].map((signal) =>
      row('rt_sigaction', [signal, EXIT_ON_SIGNAL, 0, SIGSET_SIZE], AT_PROCESS),
    ),
    closedByExec(sync),
    closedByExec(fifo),
    row('prctl', [PR.SET_PDEATHSIG, 0], AT_PROCESS, { words: 'PR_SET_PDEATHSIG' }),
  ]
}

/** From "created" to "started". */
function startRows(sync: number, fifo: number): NamedRow[] {
  return [ready(sync), awaited(fifo)]
}

/**
 * A further process is born here, when its parent, which has joined the container's namespaces but
 * is not in the pid namespace itself, has nothing more to lose: the container never sees it with
 * rights or a root that are not its own (CVE-2016-9962).
 */
function bornRows({ terminal }: ProcessPlan): NamedRow[] {
  return [
    undumpable(),
    // a child of tsrun
    row('clone', [CLONE_PARENT | SIG.CHLD], AT_PROCESS, { mode: 'fork' }),
    row('setsid', [], AT_PROCESS),
    ...(terminal ? [row('ioctl', [0, TIOCSCTTY, 0], '/process/terminal')] : []),
  ]
}

/** From "ready" to the execve: tsrun answers when all that it has to do is done. */
function answerRows(sync: number): NamedRow[] {
  return [closedByExec(sync), ready(sync), awaited(sync)]
}

/** Changing the user made it visible again. */
function undumpable(): NamedRow {
  return row('prctl', [PR.SET_DUMPABLE, 0], AT_PROCESS, { words: 'PR_SET_DUMPABLE' })
}

function closedByExec(fd: number): NamedRow {
  return row('fcntl', [fd, F_SETFD, FD_CLOEXEC], AT_PROCESS, { words: 'F_SETFD' })
}

function ready(sync: number): NamedRow {
  return row('write', [sync, { string: READY }, READY.length], AT_PROCESS)
}

function awaited(fd: number): NamedRow {
  return row('read', [fd, { bytes: new Uint8Array(8) }, 1], AT_PROCESS, { mode: 'fatal-or-zero' })
}
