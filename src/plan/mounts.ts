import type { Mount, Spec } from '../../spec/generated/config.ts'
import { cleanPath } from '../base/paths.ts'
import { MS } from '../sys/mount.ts'
import type { CgroupPlan } from './cgroup.ts'
import {
  attributesOf,
  bindAttributes,
  type MountOptions,
  parseMountOptions,
  superblockOptions,
} from './mount-options.ts'
import { hasNamespace } from './namespaces.ts'
import type { MountStep, Step } from './steps.ts'

/** Where a destination is inside the container: relative ones are relative to `/` (M-015). */
export function destinationOf(mount: Mount): string {
  return cleanPath(`/${mount.destination}`)
}

/** One step a mount, in listed order (M-010). */
export function planMounts(spec: Spec, cgroup: CgroupPlan): MountStep[] {
  const cgroups = { plan: cgroup, isPrivate: hasNamespace(spec, 'cgroup') }
  return (spec.mounts ?? []).map((mount, i) => {
    const step = planMount(mount, `/mounts/${i}`)
    return step.kind === 'cgroup' ? { ...step, cgroups } : step
  })
}

function planMount(mount: Mount, pointer: string): MountStep {
  const options = parseMountOptions(mount.options)
  const destination = destinationOf(mount)
  const type = mount.type ?? 'none'
  const common = {
    op: 'mount',
    pointer,
    destination,
    source: mount.source ?? '',
    type,
    recursive: options.recursive,
    propagation: options.propagation,
    flags: options.set,
    tree:
      options.recursiveSet === 0 && options.recursiveClear === 0
        ? undefined
        : { set: options.recursiveSet, clear: options.recursiveClear },
  } as const
  return options.bind
    ? planBind(common, options)
    : planFilesystem(common, options, destination, type)
}

type Common = Omit<
  MountStep,
  'kind' | 'attributes' | 'refused' | 'data' | 'readonlyLate' | 'copyUp' | 'ordinary'
>

function planBind(common: Common, options: MountOptions): MountStep {
  return {
    ...common,
    kind: 'bind',
    attributes: bindAttributes(options),
    refused: attributesOf(options.clear),
    data: [],
    readonlyLate: false,
    copyUp: false,
    ordinary: false,
  }
}

function planFilesystem(
  common: Common,
  options: MountOptions,
  destination: string,
  type: string,
): MountStep {
  // devices, links and the working directory are still to be made on these
  const written = type === 'tmpfs' || destination === '/dev'
  const readonlyLate = written && !options.remount && (options.set & MS.RDONLY) !== 0
  const flags = readonlyLate
    ? options.set & ~MS.RDONLY
    : options.set | (options.remount ? MS.REMOUNT : 0)
  const readonlyWord = (flags & MS.RDONLY) !== 0 ? ['ro'] : []
  return {
    ...common,
    kind: type === 'cgroup' ? 'cgroup' : 'filesystem',
    flags,
    attributes: { set: attributesOf(flags), clear: 0 },
    refused: 0,
    data: [...superblockOptions(options), ...readonlyWord, ...options.data],
    readonlyLate,
    copyUp: options.copyUp,
    ordinary: type === 'proc' || type === 'sysfs',
  }
}

/** The read-only remounts that had to wait, then that of the root, if it is a mount of the container's own. */
export function planReadonly(mounts: readonly MountStep[], spec: Spec): Step[] {
  const late: Step[] = mounts
    .filter((mount) => mount.readonlyLate)
    .map(({ destination, pointer }) => ({
      op: 'readonlyMount',
      destination,
      ...(pointer === undefined ? {} : { pointer }),
    }))
  return spec.root?.readonly === true && hasNamespace(spec, 'mount')
    ? [...late, { op: 'readonlyRoot', pointer: '/root/readonly' }]
    : late
}
