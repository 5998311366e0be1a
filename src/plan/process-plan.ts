import type { IoPriority, Process, Rlimit, Scheduler, Spec } from '../../spec/generated/config.ts'
import { type CapabilityPlan, planCapabilities } from './capabilities.ts'
import type { HostFacts } from './facts.ts'
import { type LabelPlan, planLabels } from './labels.ts'
import { planSeccomp, type SeccompPlan } from './seccomp.ts'

/** One setrlimit, decided. */
export interface RlimitPlan {
  readonly type: string
  readonly resource: number
  readonly soft: number | bigint
  readonly hard: number | bigint
  readonly pointer: string
}

/** struct sched_attr of sched_setattr(2). */
export interface SchedulerPlan {
  readonly policy: number
  readonly flags: number
  readonly nice: number
  readonly priority: number
  readonly runtime: number | bigint
  readonly deadline: number | bigint
  readonly period: number | bigint
}

/** A terminal of the process's own. */
export interface TerminalPlan {
  /** In characters; undefined leaves it as the kernel makes it. */
  readonly size: { readonly height: number; readonly width: number } | undefined
}

/** What becomes of the process at its last execve. */
export interface ProcessPlan {
  readonly args: readonly string[]
  /** Of equal names only the last; HOME may still be missing. */
  readonly env: readonly string[]
  readonly cwd: string
  readonly uid: number
  readonly gid: number
  readonly additionalGids: readonly number[]
  readonly umask: number
  readonly capabilities: CapabilityPlan
  readonly lastCapability: number
  readonly noNewPrivileges: boolean
  readonly rlimits: readonly RlimitPlan[]
  readonly scheduler: SchedulerPlan | undefined
  /** Argument of ioprio_set(2). */
  readonly ioPriority: number | undefined
  /** Argument of personality(2). */
  readonly personality: number | undefined
  /** CPUs to run on; `kept`: those it was started on; absent: all that its cpuset has. */
  readonly affinity?: readonly number[] | 'kept'
  readonly labels: readonly LabelPlan[]
  /** Absent: it gets the caller's standard streams. */
  readonly terminal?: TerminalPlan
  /** How many of the caller's descriptors it gets beside the standard streams, from 3 on; 0 if absent. */
  readonly passedDescriptors?: number
  /** Sockets of systemd's are among them: LISTEN_PID is to be the process's own number. */
  readonly isActivated?: boolean
  readonly seccomp: SeccompPlan | undefined
}

/** Names in the kernel's order: the index is the number. @see getrlimit(2) */
export const RLIMITS =
  'CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME'.split(
    ' ',
  )

const POLICIES: Readonly<Record<string, number>> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
}

const SCHED_FLAGS: Readonly<Record<string, number>> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
}

const IO_CLASSES: Readonly<Record<string, number>> = {
  IOPRIO_CLASS_RT: 1,
  IOPRIO_CLASS_BE: 2,
  IOPRIO_CLASS_IDLE: 3,
}
const IOPRIO_CLASS_SHIFT = 13

const PERSONALITIES: Readonly<Record<string, number>> = { LINUX: 0, LINUX32: 8 }

/** What an absent `user.umask` means: what images rely on since runc. */
const DEFAULT_UMASK = 0o022

/** Decides everything about the container's process but what its own root file system tells. */
export function planProcess(
  process: Process,
  spec: Spec,
  facts: Pick<HostFacts, 'lastCapability'>,
): ProcessPlan {
  const personality = spec.linux?.personality?.domain
  return {
    args: process.args ?? [],
    env: lastOfEach(process.env ?? []),
    cwd: process.cwd ?? '/',
    uid: process.user?.uid ?? 0,
    gid: process.user?.gid ?? 0,
    additionalGids: process.user?.additionalGids ?? [],
    umask: process.user?.umask ?? DEFAULT_UMASK,
    capabilities: planCapabilities(process.capabilities, facts.lastCapability),
    lastCapability: facts.lastCapability,
    noNewPrivileges: process.noNewPrivileges ?? false,
    rlimits: (process.rlimits ?? []).map(planRlimit),
    scheduler: process.scheduler && planScheduler(process.scheduler),
    ioPriority: process.ioPriority && planIoPriority(process.ioPriority),
    personality: personality === undefined ? undefined : PERSONALITIES[personality],
    labels: planLabels(process),
    ...(process.terminal === true && { terminal: planTerminal(process) }),
    seccomp: planSeccomp(spec.linux?.seccomp),
  }
}

/** Half a size is none, as runc has it. */
function planTerminal({ consoleSize }: Process): TerminalPlan {
  const { height = 0, width = 0 } = consoleSize ?? {}
  return { size: height && width ? { height: Number(height), width: Number(width) } : undefined }
}

/** Of several entries with one name the last counts, at its place. */
function lastOfEach(env: readonly string[]): string[] {
  const last = new Map<string, number>()
  env.forEach((entry, i) => {
    last.set(entry.slice(0, entry.indexOf('=')), i)
  })
  const kept = new Set(last.values())
  return env.filter((_, i) => kept.has(i))
}

function planRlimit({ type, soft, hard }: Rlimit, i: number): RlimitPlan {
  const resource = RLIMITS.indexOf(type.replace(/^RLIMIT_/, ''))
  return { type, resource, soft, hard, pointer: `/process/rlimits/${i}` }
}

function planScheduler(scheduler: Scheduler): SchedulerPlan {
  return {
    policy: POLICIES[scheduler.policy ?? ''] ?? 0,
    flags: (scheduler.flags ?? []).reduce((all, flag) => all | (SCHED_FLAGS[flag] ?? 0), 0),
    nice: scheduler.nice ?? 0,
    priority: scheduler.priority ?? 0,
    runtime: scheduler.runtime ?? 0,
    deadline: scheduler.deadline ?? 0,
    period: scheduler.period ?? 0,
  }
}

function planIoPriority(io: IoPriority): number {
  return ((IO_CLASSES[io.class ?? ''] ?? 0) << IOPRIO_CLASS_SHIFT) | (io.priority ?? 0)
}
