/** What filters there can be, by the library and the kernel that are there. */
import type { Features } from '../../spec/generated/features.ts'
import { FILTER_FLAG } from '../plan/seccomp.ts'
import { architectureToken, libseccompApiLevel, libseccompVersion } from '../sys/libseccomp.ts'
import { supportsFlags } from './kernel.ts'

/** The member of the features document, and the version of libseccomp. */
export type SeccompFeatures = NonNullable<NonNullable<Features['linux']>['seccomp']> & {
  readonly version: string
}

type Action = NonNullable<SeccompFeatures['actions']>[number]
type Operator = NonNullable<SeccompFeatures['operators']>[number]
type Architecture = NonNullable<SeccompFeatures['archs']>[number]
type Flag = NonNullable<SeccompFeatures['knownFlags']>[number]

/** Names with the level of libseccomp's interface that they take. @see seccomp_api_get(3) */
const ACTIONS: readonly (readonly [Action, number])[] = [
  ['SCMP_ACT_ALLOW', 1],
  ['SCMP_ACT_ERRNO', 1],
  ['SCMP_ACT_KILL', 1],
  ['SCMP_ACT_KILL_PROCESS', 3],
  ['SCMP_ACT_KILL_THREAD', 1],
  ['SCMP_ACT_LOG', 3],
  ['SCMP_ACT_NOTIFY', 6],
  ['SCMP_ACT_TRACE', 1],
  ['SCMP_ACT_TRAP', 1],
]
const OPERATORS = 'EQ GE GT LE LT MASKED_EQ NE'
const ARCHITECTURES =
  'AARCH64 ARM LOONGARCH64 M68K MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PARISC PARISC64 ' +
  'PPC PPC64 PPC64LE RISCV64 S390 S390X SH SHEB X32 X86 X86_64'
const FLAGS: readonly (readonly [Flag, number])[] = [
  ['SECCOMP_FILTER_FLAG_TSYNC', 0],
  ['SECCOMP_FILTER_FLAG_SPEC_ALLOW', FILTER_FLAG.SPEC_ALLOW],
  ['SECCOMP_FILTER_FLAG_LOG', FILTER_FLAG.LOG],
  ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV', FILTER_FLAG.WAIT_KILLABLE_RECV],
]

/** Asks libseccomp and the kernel. @returns undefined if either has no filters */
export function seccompFeatures(): SeccompFeatures | undefined {
  if (!supportsFlags(0)) return undefined
  let version: string
  try {
    version = libseccompVersion()
  } catch {
    // not installed
    return undefined
  }
  const level = libseccompApiLevel()
  return {
    enabled: true,
    actions: ACTIONS.filter(([, needed]) => needed <= level).map(([name]) => name),
    operators: OPERATORS.split(' ').map((name) => `SCMP_CMP_${name}` as Operator),
    archs: ARCHITECTURES.split(' ')
      .filter((name) => architectureToken(name.toLowerCase()) !== undefined)
      .map((name) => `SCMP_ARCH_${name}` as Architecture),
    knownFlags: FLAGS.map(([name]) => name),
    supportedFlags: FLAGS.filter(([, flag]) => supportsFlags(flag)).map(([name]) => name),
    version,
  }
}
