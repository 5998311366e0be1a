import type { Features } from '../../spec/generated/features.ts'
import { SPEC_VERSION } from '../base/version.ts'
import { CAPABILITIES } from '../plan/capabilities.ts'
import { HOOK_KINDS } from '../plan/hooks.ts'
import type { SeccompFeatures } from '../seccomp/features.ts'

/** Sorted; `idmap` and `ridmap` are understood too, but runc does not list them. */
const MOUNT_OPTIONS =
  'async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev ' +
  'nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow ' +
  'private ratime rbind rdev rdiratime relatime remount rexec rnoatime rnodev rnodiratime rnoexec ' +
  'rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave ' +
  'rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow ' +
  'sync tmpcopyup unbindable'

const NAMESPACES = 'cgroup ipc mount network pid time uts'
/** Which build this is. */
export interface BuildFacts {
  readonly version: string
  /** Empty if unknown. */
  readonly commit: string
  /** What libseccomp and the kernel have; absent: no filters. */
  readonly seccomp?: SeccompFeatures | undefined
}

/**
 * The features document: what a configuration may ask for and gets (M-121), whatever the host; of
 * seccomp what its library and the kernel have.
 * Members stand in the order in which they are written; what bundle/unsupported.ts refuses is
 * absent or not enabled here.
 */
export function featuresOf({ version, commit, seccomp }: BuildFacts): Features {
  const no = { enabled: false }
  const { version: libseccomp, ...filters } = seccomp ?? { version: undefined, ...no }
  return {
    ociVersionMin: '1.0.0',
    ociVersionMax: SPEC_VERSION,
    hooks: [...HOOK_KINDS],
    mountOptions: MOUNT_OPTIONS.split(' '),
    linux: {
      namespaces: NAMESPACES.split(' ') as NonNullable<Features['linux']>['namespaces'] & string[],
      capabilities: CAPABILITIES.map((name) => `CAP_${name}`),
      cgroup: { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true },
      seccomp: filters,
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: true, schemata: true, monitoring: true },
      mountExtensions: { idmap: no },
      netDevices: no,
    },
    annotations: {
      ...(libseccomp !== undefined && { 'io.github.seccomp.libseccomp.version': libseccomp }),
      'org.opencontainers.runc.checkpoint.enabled': 'false',
      'org.opencontainers.runc.commit': commit,
      'org.opencontainers.runc.version': version,
    },
    potentiallyUnsafeConfigAnnotations: ['org.systemd.property.'],
  }
}
