import type { Spec } from '../../spec/generated/config.ts'
import type { Pointer } from '../base/errors.ts'
import { CLONE } from '../sys/process.ts'

/** A namespace that is joined. */
export interface NamespaceToJoin {
  readonly type: string
  /** `CLONE.NEW*` */
  readonly kind: number
  readonly path: string
  readonly pointer: Pointer
}

export interface NamespacePlan {
  /** `CLONE.NEW*` flags of those that clone3 makes. */
  readonly create: number
  /** In the order in which the kernel wants them joined. */
  readonly join: readonly NamespaceToJoin[]
  /** Made by the child once it is in its cgroup, which becomes the namespace's root. */
  readonly createCgroup: boolean
  /** Lines for /proc/self/timens_offsets, written before anyone enters the time namespace. */
  readonly timeOffsets: string
}

const KINDS: Readonly<Record<string, number>> = {
  user: CLONE.NEWUSER,
  ipc: CLONE.NEWIPC,
  uts: CLONE.NEWUTS,
  network: CLONE.NEWNET,
  pid: CLONE.NEWPID,
  cgroup: CLONE.NEWCGROUP,
  time: CLONE.NEWTIME,
  // last: the paths of the others are in the runtime's mount namespace
  mount: CLONE.NEWNS,
}
const ORDER = Object.values(KINDS)

/** Sorts `linux.namespaces` into new and joined ones. */
export function planNamespaces(spec: Spec): NamespacePlan {
  let create = 0
  let createCgroup = false
  const join: NamespaceToJoin[] = []
  for (const [i, { type, path }] of (spec.linux?.namespaces ?? []).entries()) {
    const kind = KINDS[type] ?? 0
    if (path !== undefined && path !== '') {
      join.push({ type, kind, path, pointer: `/linux/namespaces/${i}/path` })
    } else if (kind === CLONE.NEWCGROUP) createCgroup = true
    else create |= kind
  }
  join.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))
  return { create, join, createCgroup, timeOffsets: timeOffsetLines(spec) }
}

/** `CLONE.NEW*` flags of the namespaces that the container has, new or joined. */
export function listedKinds(spec: Spec): number {
  const list = spec.linux?.namespaces ?? []
  return list.reduce((kinds, { type }) => kinds | (KINDS[type] ?? 0), 0)
}

/** @see time_namespaces(7), /proc/PID/timens_offsets */
function timeOffsetLines(spec: Spec): string {
  return Object.entries(spec.linux?.timeOffsets ?? {})
    .map(([clock, { secs = 0, nanosecs = 0 }]) => `${clock} ${secs} ${nanosecs}\n`)
    .join('')
}

/** True if the container has its own namespace of this kind, new or joined. */
export function hasNamespace(spec: Spec, type: string): boolean {
  return spec.linux?.namespaces?.some((n) => n.type === type) ?? false
}
