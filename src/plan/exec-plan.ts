/** What `exec` starts, decided from the container's kept configuration and what the caller asks for. */
import type { CpuAffinity, Process, Spec } from '../../spec/generated/config.ts'
import { parseIdList } from '../base/id-list.ts'
import { CAP_SYS_PTRACE, planCapabilities } from './capabilities.ts'
import { listedKinds } from './namespaces.ts'
import { type ProcessPlan, planProcess, type SchedulerPlan } from './process-plan.ts'

/** How the flags of exec change the configured process. */
export interface ProcessChanges {
  readonly args: readonly string[]
  /** Replaces the configured one. */
  readonly cwd?: string
  /** Added. */
  readonly env: readonly string[]
  /** Without `gid` that stays as configured. */
  readonly user?: { readonly uid: number; readonly gid?: number }
  /** Added. */
  readonly additionalGids: readonly number[]
  /** Names, added to the bounding, effective and permitted sets. */
  readonly capabilities: readonly string[]
  readonly noNewPrivileges?: boolean
  readonly apparmorProfile?: string
  readonly selinuxLabel?: string
  readonly terminal: boolean
}

/** A process to start in a container, decided. */
export interface ExecPlan {
  /** Without a scheduler, which needs rights that the process has lost by the time it is born. */
  readonly process: ProcessPlan
  /** Set from outside, before its program runs. */
  readonly scheduler: SchedulerPlan | undefined
  readonly oomScoreAdj: number | undefined
  /** `CLONE.NEW*` flags of the container's own namespaces. */
  readonly namespaces: number
  /** CPUs to run on until it is in its cgroups. */
  readonly initialCpus: readonly number[] | undefined
  /** Processes of the container can have CAP_SYS_PTRACE. */
  readonly mayTrace: boolean
}

/** The configured process, changed as the flags say. */
export function changedProcess(spec: Spec, changes: ProcessChanges): Process {
  const configured = spec.process ?? {}
  const { uid, gid } = changes.user ?? {}
  const { apparmorProfile, selinuxLabel } = changes
  const { additionalGids = [] } = configured.user ?? {}
  return {
    ...configured,
    args: [...changes.args],
    env: [...(configured.env ?? []), ...changes.env],
    terminal: changes.terminal,
    ...(changes.cwd !== undefined && { cwd: changes.cwd }),
    ...(changes.noNewPrivileges !== undefined && { noNewPrivileges: changes.noNewPrivileges }),
    ...(apparmorProfile !== undefined && { apparmorProfile }),
    ...(selinuxLabel !== undefined && { selinuxLabel }),
    ...(changes.capabilities.length > 0 && {
      capabilities: withCapabilities(configured.capabilities, changes.capabilities),
    }),
    user: {
      ...configured.user,
      ...(uid !== undefined && { uid }),
      ...(gid !== undefined && { gid }),
      additionalGids: [...additionalGids, ...changes.additionalGids],
    },
  }
}

/**
 * Inheritable stays as configured: raised, it would give rights to users other than root (threat
 * T-07). What is not inheritable cannot be ambient.
 */
function withCapabilities(
  sets: NonNullable<Process['capabilities']> = {},
  names: readonly string[],
): NonNullable<Process['capabilities']> {
  const add = (set: readonly string[] = []): string[] => [...set, ...names]
  return {
    ...sets,
    bounding: add(sets.bounding),
    effective: add(sets.effective),
    permitted: add(sets.permitted),
    ...(sets.inheritable && { ambient: add(sets.ambient) }),
  }
}

/** A process.json, with what it inherits from the container where it says nothing. */
export function completedProcess(spec: Spec, process: Process): Process {
  const { capabilities, ioPriority, scheduler, execCPUAffinity, oomScoreAdj, selinuxLabel, user } =
    spec.process ?? {}
  return {
    ...(capabilities && { capabilities }),
    ...(ioPriority && { ioPriority }),
    ...(scheduler && { scheduler }),
    ...(execCPUAffinity && { execCPUAffinity }),
    ...(oomScoreAdj !== undefined && { oomScoreAdj }),
    ...(selinuxLabel && { selinuxLabel }),
    ...process,
    user: { ...(user?.umask !== undefined && { umask: user.umask }), ...process.user },
  }
}

/**
 * Translates a valid process into a plan.
 *
 * @param spec - of the container
 * @param lastCapability - the kernel's highest capability number
 * @param passedDescriptors - how many descriptors beside the standard streams it gets
 */
export function planExec(
  spec: Spec,
  process: Process,
  lastCapability: number,
  passedDescriptors: number,
): ExecPlan {
  const { scheduler, ...planned } = planProcess(process, spec, { lastCapability })
  const { bounding } = planCapabilities(spec.process?.capabilities, lastCapability)
  const { initial, affinity } = planAffinity(process.execCPUAffinity)
  return {
    process: {
      ...planned,
      scheduler: undefined,
      passedDescriptors,
      ...(affinity !== undefined && { affinity }),
    },
    scheduler,
    oomScoreAdj: process.oomScoreAdj,
    namespaces: listedKinds(spec),
    initialCpus: initial,
    mayTrace: bounding.includes(CAP_SYS_PTRACE),
  }
}

/** @see runtime-spec config.md "execCPUAffinity": without `final` what `initial` says stays */
function planAffinity({ initial = '', final = '' }: CpuAffinity = {}): {
  initial: readonly number[] | undefined
  affinity: ProcessPlan['affinity']
} {
  const cpus = (list: string): readonly number[] | undefined =>
    list.trim() === '' ? undefined : parseIdList(list, MOST_CPUS)
  const first = cpus(initial)
  return { initial: first, affinity: cpus(final) ?? (first && 'kept') }
}

/** More no kernel is built for; a list with higher numbers has been refused. */
const MOST_CPUS = 65_536
