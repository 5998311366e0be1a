/**
 * What takes the first process's privileges away and makes it the container's program, as a table
 * of system calls for the last-exec stub. Each row also has a name and a place in config.json; the
 * stub reports row numbers, so names never enter the container.
 */
import type { CapabilityPlan } from '../plan/capabilities.ts'
import type { LabelPlan } from '../plan/labels.ts'
import type { ProcessPlan, SchedulerPlan } from '../plan/process-plan.ts'
import { type Arg, EXIT_ON_SIGNAL } from '../stub/program.ts'
import { READY } from '../sync/messages.ts'
import { O } from '../sys/file.ts'
import { CPU_SET_BYTES, cpuSet } from '../sys/scheduling.ts'
import { SIG } from '../sys/signal.ts'
import { birthRows, type FilterLaunch, lastRightsRows } from './filter-rows.ts'
import { type Labelling, labelFile } from './labels.ts'
import { STRICTLY } from './procfs.ts'
import { AT_PROCESS, closedByExec, type NamedRow, PR, row, undumpable, words32 } from './row.ts'

const RLIMIT_NOFILE = 7
const IOPRIO_WHO_PGRP = 2
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

/** What the table depends on besides the plan. */
export interface Launch extends FilterLaunch {
  /** Absolute path of the program, or relative to the working directory. */
  readonly path: string
  readonly env: readonly string[]
  /** Descriptor of the fifo that the first process waits on; absent for a further one, of exec. */
  readonly fifo?: number
  /** Absent: there are no labels. */
  readonly labelling?: Labelling
  /** RLIMIT_NOFILE as the caller had it. */
  readonly callerNofile: readonly [soft: bigint, hard: bigint]
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
    undumpable(),
    row('prctl', [PR.SET_NAME, { string: 'tsrun:init' }], '/process', { mode: 'ignore' }),
    ...labelRows(plan.labels, launch.labelling),
    ...schedulingRows(plan),
    ...rlimitRows(plan, launch.callerNofile),
    ...credentialRows(plan),
    ...(launch.fifo === undefined
      ? [closedByExec(launch.sync), ...birthRows(plan, launch)]
      : [...waitingRows(launch.sync, launch.fifo), ...lastRightsRows(plan, launch)]),
    ready(launch.sync),
    // tsrun answers a further process when all that it has to do is done
    awaited(launch.fifo ?? launch.sync),
    row(
      'execve',
      [{ string: launch.path }, { strings: plan.args }, { strings: launch.env }],
      '/process/args',
      { mode: 'final' },
    ),
  ]
}

/**
 * What row number `index` of a plan's table is called, and where it comes from.
 *
 * @param which - of a further process, how it is born
 */
export function describeRow(
  plan: ProcessPlan,
  index: number,
  which: Pick<Launch, 'fifo' | 'isBornFiltered'> = { fifo: -1 },
): { name: string; pointer: string } {
  const launch: Launch = { ...which, path: '', env: [], sync: -1, callerNofile: [0n, 0n] }
  return planRows(plan, launch)[index] ?? { name: `row ${index}`, pointer: '/process' }
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
    // the caller's own, which keep rights where the container means to give them up (threat H-07);
    // those that are locked stay
    row('prctl', [PR.SET_SECUREBITS, 0], '/process/capabilities', {
      mode: 'ignore',
      words: 'PR_SET_SECUREBITS',
    }),
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

function ready(sync: number): NamedRow {
  return row('write', [sync, { string: READY }, READY.length], AT_PROCESS)
}

function awaited(fd: number): NamedRow {
  return row('read', [fd, { bytes: new Uint8Array(8) }, 1], AT_PROCESS, { mode: 'fatal-or-zero' })
}
