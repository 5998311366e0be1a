import type { Features } from '../../spec/generated/features.ts'
import { SPEC_VERSION } from '../base/version.ts'
import { CAPABILITIES } from '../plan/capabilities.ts'

const HOOKS = 'prestart createRuntime createContainer startContainer poststart poststop'

/** Sorted; `idmap` and `ridmap` are understood too, but runc does not list them. */
const MOUNT_OPTIONS =
  'async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev ' +
  'nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow ' +
  'private ratime rbind rdev rdiratime relatime remount rexec rnoatime rnodev rnodiratime rnoexec ' +
  'rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave ' +
  'rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow ' +
  'sync tmpcopyup unbindable'

const NAMESPACES = 'cgroup ipc mount network pid time user uts'
const ACTIONS = 'ALLOW ERRNO KILL KILL_PROCESS KILL_THREAD LOG NOTIFY TRACE TRAP'
const OPERATORS = 'EQ GE GT LE LT MASKED_EQ NE'
const ARCHITECTURES =
  'AARCH64 ARM LOONGARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE ' +
  'RISCV64 S390 S390X X32 X86 X86_64'
const MEMORY_MODES = 'BIND DEFAULT INTERLEAVE LOCAL PREFERRED PREFERRED_MANY WEIGHTED_INTERLEAVE'
const MEMORY_FLAGS = 'NUMA_BALANCING RELATIVE_NODES STATIC_NODES'

/** The flags of seccomp(2) that a profile may ask for, in the order in which they are listed. */
export const SECCOMP_FLAGS = [
  'SECCOMP_FILTER_FLAG_TSYNC',
  'SECCOMP_FILTER_FLAG_SPEC_ALLOW',
  'SECCOMP_FILTER_FLAG_LOG',
  'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV',
] as const
export type SeccompFlag = (typeof SECCOMP_FLAGS)[number]

/** What depends on the build or on the host. */
export interface FeatureFacts {
  readonly version: string
  /** Empty if unknown. */
  readonly commit: string
  readonly hasCheckpoint: boolean
  readonly supportedSeccompFlags: readonly SeccompFlag[]
}

/** The features document; members stand in the order in which they are written. */
export function featuresOf(facts: FeatureFacts): Features {
  return {
    ociVersionMin: '1.0.0',
    ociVersionMax: SPEC_VERSION,
    hooks: words(HOOKS),
    mountOptions: words(MOUNT_OPTIONS),
    linux: {
      namespaces: words(NAMESPACES) as NonNullable<Features['linux']>['namespaces'] & string[],
      capabilities: CAPABILITIES.map((name) => `CAP_${name}`),
      cgroup: { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true },
      seccomp: seccompFeatures(facts.supportedSeccompFlags),
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: true, schemata: true, monitoring: true },
      memoryPolicy: { modes: words(MEMORY_MODES, 'MPOL_'), flags: words(MEMORY_FLAGS, 'MPOL_F_') },
      mountExtensions: { idmap: { enabled: true } },
      netDevices: { enabled: true },
    },
    annotations: {
      'org.opencontainers.runc.checkpoint.enabled': String(facts.hasCheckpoint),
      'org.opencontainers.runc.commit': facts.commit,
      'org.opencontainers.runc.version': facts.version,
    },
    potentiallyUnsafeConfigAnnotations: ['bundle', 'org.systemd.property.', 'org.criu.config'],
  }
}

type Seccomp = NonNullable<NonNullable<Features['linux']>['seccomp']>

function seccompFeatures(supportedFlags: readonly SeccompFlag[]): Seccomp {
  return {
    enabled: true,
    actions: words(ACTIONS, 'SCMP_ACT_') as Seccomp['actions'] & string[],
    operators: words(OPERATORS, 'SCMP_CMP_') as Seccomp['operators'] & string[],
    archs: words(ARCHITECTURES, 'SCMP_ARCH_') as Seccomp['archs'] & string[],
    knownFlags: [...SECCOMP_FLAGS],
    supportedFlags: [...supportedFlags],
  }
}

function words(text: string, prefix = ''): string[] {
  return text.split(' ').map((word) => `${prefix}${word}`)
}
