/**
 * The steps that a container is made of, as data. A plan is a list of these; `init/` has one
 * function for each `op`. A step says where in config.json it comes from, so that its failure does.
 */
import type { Pointer } from '../base/errors.ts'
import type { CgroupPlan } from './cgroup.ts'
import type { HookPlan } from './hooks.ts'

interface From {
  /** The place in config.json that asked for the step; absent for what every container gets. */
  readonly pointer?: Pointer
}

/** What /sys/fs/cgroup inside the container is made of. */
export interface CgroupView {
  readonly plan: CgroupPlan
  /** The container has a cgroup namespace: fresh mounts show its own cgroup as root. */
  readonly isPrivate: boolean
}

/** One mount of `mounts[]`. */
export interface MountStep extends From {
  readonly op: 'mount'
  readonly kind: 'bind' | 'filesystem' | 'cgroup'
  /** Of kind `cgroup`: what of the host's hierarchies the container gets to see. */
  readonly cgroups?: CgroupView
  /** Clean absolute path inside the container. */
  readonly destination: string
  readonly source: string
  readonly type: string
  /** A bind mount takes the mounts below its source with it. */
  readonly recursive: boolean
  /** `MOUNT_ATTR` values: of a new file system all, of a bind mount the changes. */
  readonly attributes: { readonly set: number; readonly clear: number } | undefined
  /** `MOUNT_ATTR` values that the words refuse: a locked one among them is an error. */
  readonly refused: number
  /** Changes to the mount and everything below it (`rro` ...), `MOUNT_ATTR` values. */
  readonly tree: { readonly set: number; readonly clear: number } | undefined
  /** `MS` propagation types, `MS.REC` for the whole tree, in order. */
  readonly propagation: readonly number[]
  /** Words for the file system. */
  readonly data: readonly string[]
  /** The same as `MS` flags and words, for mount(2) on old kernels. */
  readonly flags: number
  /** Made read-only at the end, because the container's set-up still writes to it. */
  readonly readonlyLate: boolean
  readonly copyUp: boolean
  /** The destination must be a real directory, reached through no link (proc, sysfs). */
  readonly ordinary: boolean
}

export interface DeviceStep extends From {
  readonly op: 'device'
  readonly path: string
  /** `S_IF` type and permission bits. */
  readonly mode: number
  readonly major: number
  readonly minor: number
  readonly uid: number
  readonly gid: number
}

export type Step =
  | (From & { readonly op: 'oomScoreAdj'; readonly value: number })
  | (From & {
      readonly op: 'sessionKeyring'
      readonly name: string
      /** SELinux context of the keyring. */
      readonly label: string | undefined
    })
  | (From & { readonly op: 'loopback' })
  | (From & {
      readonly op: 'rootfs'
      readonly path: string
      /** `MS` type of rootfsPropagation, 0 for the default. */
      readonly propagation: number
      /** The container has a mount namespace. */
      readonly isolated: boolean
    })
  | MountStep
  | DeviceStep
  | (From & { readonly op: 'deviceLinks' })
  /** tsrun runs hooks in its own namespaces; the first process waits for that. */
  | (From & { readonly op: 'runtimeHooks' })
  | (From & { readonly op: 'containerHooks'; readonly hooks: readonly HookPlan[] })
  | (From & {
      readonly op: 'enterRoot'
      readonly how: 'pivot' | 'move' | 'chroot'
      /** Paths are going to be masked: what covers them comes from the host's side. */
      readonly masks: boolean
    })
  | (From & { readonly op: 'rootPropagation'; readonly propagation: number })
  | (From & { readonly op: 'standardStreams' })
  | (From & {
      /** A terminal becomes the standard streams. */
      readonly op: 'console'
      /** It is bound on /dev/console: the mounts are the container's own. */
      readonly isBound: boolean
    })
  | (From & { readonly op: 'createWorkingDirectory'; readonly path: string })
  | (From & { readonly op: 'readonlyMount'; readonly destination: string })
  | (From & { readonly op: 'readonlyRoot' })
  | (From & { readonly op: 'hostname'; readonly name: string })
  | (From & { readonly op: 'domainname'; readonly name: string })
  | (From & { readonly op: 'sysctl'; readonly path: string; readonly value: string })
  | (From & { readonly op: 'readonlyPath'; readonly path: string })
  | (From & { readonly op: 'maskedPath'; readonly path: string })

export type StepName = Step['op']
export type StepOf<N extends StepName> = Extract<Step, { op: N }>
