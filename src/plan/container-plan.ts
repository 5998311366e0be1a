/** The whole of a container, decided before anything is done. Pure: the same inputs, the same plan. */
import type { Spec } from '../../spec/generated/config.ts'
import { absolutePath, cleanPath } from '../base/paths.ts'
import { MS } from '../sys/mount.ts'
import { CLONE } from '../sys/process.ts'
import { type CgroupOptions, type CgroupPlan, planCgroup } from './cgroup.ts'
import { type CgroupLimits, planLimits } from './cgroup-limits.ts'
import { planDevices } from './devices.ts'
import type { HostFacts } from './facts.ts'
import type { HandOver } from './hand-over.ts'
import { type HooksPlan, planHooks } from './hooks.ts'
import { PROPAGATION } from './mount-options.ts'
import { planMounts, planReadonly } from './mounts.ts'
import { hasNamespace, type NamespacePlan, planNamespaces } from './namespaces.ts'
import { type ProcessPlan, planProcess } from './process-plan.ts'
import { planResctrl, type ResctrlPlan } from './resctrl.ts'
import type { MountStep, Step } from './steps.ts'

export interface ContainerPlan {
  readonly id: string
  readonly bundle: string
  readonly annotations: Readonly<Record<string, string>>
  /** Absolute path of the root file system. */
  readonly rootfs: string
  readonly namespaces: NamespacePlan
  readonly cgroup: CgroupPlan
  readonly limits: CgroupLimits
  /** Intel RDT, if it is asked for. */
  readonly resctrl: ResctrlPlan | undefined
  /** What the container's first process does until it is what it shall be, in order. */
  readonly steps: readonly Step[]
  readonly process: ProcessPlan
  readonly hooks: HooksPlan
  /** Its notifications come to a socket in its state directory. */
  readonly hasNotifySocket: boolean
}

export interface PlanOptions {
  readonly id: string
  /** Absolute path. */
  readonly bundle: string
  readonly noPivot: boolean
  readonly noNewKeyring: boolean
  readonly cgroups: CgroupOptions
  /** Already part of the configuration as far as that can say it. */
  readonly handOver?: HandOver | undefined
}

/**
 * Translates a valid configuration into a plan.
 *
 * @throws {SpecError} for what the host's kind of cgroups cannot express
 */
export function planContainer(spec: Spec, facts: HostFacts, options: PlanOptions): ContainerPlan {
  const { id, bundle } = options
  const rootfs = absolutePath(spec.root?.path ?? '', bundle)
  const namespaces = planNamespaces(spec)
  const hooks = planHooks(spec)
  const cgroup = planCgroup(facts.cgroup, spec.linux?.cgroupsPath, id, options.cgroups)
  return {
    id,
    bundle,
    annotations: spec.annotations ?? {},
    rootfs,
    namespaces,
    cgroup,
    limits: planLimits(spec, cgroup),
    resctrl: planResctrl(spec, id),
    steps: [
      ...planBefore(spec, namespaces, options),
      ...planRootFilesystem(spec, { rootfs, cgroup, hooks }, options),
      ...planAfter(spec),
      ...planRootPropagation(spec),
    ],
    hooks,
    hasNotifySocket: options.handOver?.notifyDirectory !== undefined,
    process: {
      ...planProcess(spec.process ?? {}, spec, facts),
      ...planDescriptors(options.handOver),
    },
  }
}

function planDescriptors(
  handOver: HandOver | undefined,
): Pick<ProcessPlan, 'passedDescriptors' | 'isActivated'> {
  if (handOver === undefined) return {}
  const { descriptors, activation } = handOver
  return { passedDescriptors: descriptors, isActivated: activation.length > 0 }
}

function planBefore(spec: Spec, namespaces: NamespacePlan, options: PlanOptions): Step[] {
  const steps: Step[] = []
  const score = spec.process?.oomScoreAdj
  if (score !== undefined) {
    steps.push({ op: 'oomScoreAdj', value: score, pointer: '/process/oomScoreAdj' })
  }
  if (!options.noNewKeyring) {
    const label = spec.process?.selinuxLabel || undefined
    steps.push({ op: 'sessionKeyring', name: `_ses.${options.id}`, label })
  }
  if ((namespaces.create & CLONE.NEWNET) !== 0) steps.push({ op: 'loopback' })
  return steps
}

function planRootFilesystem(
  spec: Spec,
  { rootfs, cgroup, hooks }: { rootfs: string; cgroup: CgroupPlan; hooks: HooksPlan },
  options: PlanOptions,
): Step[] {
  const isolated = hasNamespace(spec, 'mount')
  const propagation = propagationOf(spec)
  const mounts = planMounts(spec, cgroup).map((step) => withPaths(step, rootfs, options.bundle))
  const how = isolated ? (options.noPivot ? 'move' : 'pivot') : 'chroot'
  const steps: Step[] = [
    { op: 'rootfs', path: rootfs, propagation, isolated, pointer: '/root/path' },
    ...mounts,
    ...planDevices(spec),
    ...planHookSteps(hooks),
    { op: 'enterRoot', how, masks: (spec.linux?.maskedPaths ?? []).length > 0 },
  ]
  const cwd = spec.process?.cwd ?? '/'
  steps.push(
    spec.process?.terminal === true
      ? { op: 'console', isBound: isolated, pointer: '/process/terminal' }
      : { op: 'standardStreams' },
    { op: 'createWorkingDirectory', path: cwd, pointer: '/process/cwd' },
    ...planReadonly(mounts, spec),
  )
  return steps
}

/** When the mounts are there, and the host's files still are (M-045). */
function planHookSteps(hooks: HooksPlan): Step[] {
  const steps: Step[] = []
  if (hooks.prestart.length + hooks.createRuntime.length > 0) steps.push({ op: 'runtimeHooks' })
  if (hooks.createContainer.length > 0) {
    steps.push({ op: 'containerHooks', hooks: hooks.createContainer })
  }
  return steps
}

function propagationOf(spec: Spec): number {
  return PROPAGATION[spec.linux?.rootfsPropagation ?? ''] ?? 0
}

/** Last of all: an unbindable root could not be bound for readonlyPaths any more. */
function planRootPropagation(spec: Spec): Step[] {
  const propagation = propagationOf(spec)
  const type = propagation & ~MS.REC
  const late = type === MS.SHARED || type === MS.UNBINDABLE
  if (!late || !hasNamespace(spec, 'mount')) return []
  return [{ op: 'rootPropagation', propagation, pointer: '/linux/rootfsPropagation' }]
}

/**
 * A bind's source made absolute; of a destination that is given as a path on the host, inside the
 * root file system, the part inside it, as runc takes it.
 */
function withPaths(step: MountStep, rootfs: string, bundle: string): MountStep {
  const source = step.kind === 'bind' ? absolutePath(step.source, bundle) : step.source
  const isInside = rootfs !== '/' && `${step.destination}/`.startsWith(`${rootfs}/`)
  const destination = isInside
    ? cleanPath(`/${step.destination.slice(rootfs.length)}`)
    : step.destination
  return { ...step, source, destination }
}

function planAfter(spec: Spec): Step[] {
  const { hostname, domainname, linux } = spec
  const steps: Step[] = []
  if (hostname !== undefined && hostname !== '') {
    steps.push({ op: 'hostname', name: hostname, pointer: '/hostname' })
  }
  if (domainname !== undefined && domainname !== '') {
    steps.push({ op: 'domainname', name: domainname, pointer: '/domainname' })
  }
  for (const [key, value] of Object.entries(linux?.sysctl ?? {})) {
    steps.push({ op: 'sysctl', path: sysctlPath(key), value, pointer: `/linux/sysctl/${key}` })
  }
  linux?.readonlyPaths?.forEach((path, i) => {
    const pointer = `/linux/readonlyPaths/${i}`
    steps.push({ op: 'readonlyPath', path: cleanPath(path), pointer })
  })
  new Set(linux?.maskedPaths?.map(cleanPath)).forEach((path) => {
    steps.push({ op: 'maskedPath', path, pointer: '/linux/maskedPaths' })
  })
  return steps
}

/**
 * A sysctl's path below /proc/sys. The first separator decides, as in sysctl(8): in a dotted key a
 * slash stands for a dot inside a name (`net.ipv4.conf.eth0/100.rp_filter`).
 */
export function sysctlPath(key: string): string {
  const separator = /[./]/.exec(key)?.[0]
  if (separator === '/') return key
  return key.replace(/[./]/g, (found) => (found === '.' ? '/' : '.'))
}
