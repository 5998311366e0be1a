import { probeCgroups } from '../cgroup/probe.ts'
import type { HostFacts } from '../plan/facts.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { S } from '../sys/ffi.ts'
import { readFile, statIfAny } from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'

const PR_CAPBSET_READ = 23
/** The highest capability when this was written: the search starts here. */
const EXPECTED_LAST = 40

function isCapability(number: number): boolean {
  return S(NR.prctl, PR_CAPBSET_READ, number) >= 0
}

/** The kernel's highest capability number. @see PR_CAPBSET_READ(2const) */
export function lastCapability(): number {
  let last = EXPECTED_LAST
  while (last < 63 && isCapability(last + 1)) last++
  while (last > 0 && !isCapability(last)) last--
  return last
}

/** What a process wants of Linux security modules. */
interface WantedLabels {
  readonly apparmorProfile?: string | undefined
  readonly selinuxLabel?: string | undefined
}

/** Which of the security modules that a process wants are enabled; absent: it does not want it. */
export function probeSecurityModules({ apparmorProfile, selinuxLabel }: WantedLabels): {
  hasApparmor?: boolean
  hasSelinux?: boolean
} {
  return {
    ...(apparmorProfile && { hasApparmor: isApparmorEnabled() }),
    ...(selinuxLabel && {
      hasSelinux: statIfAny(undefined, '/sys/fs/selinux/enforce') !== undefined,
    }),
  }
}

function isApparmorEnabled(): boolean {
  try {
    return readFile(undefined, '/sys/module/apparmor/parameters/enabled').startsWith('Y')
  } catch (error) {
    if (isErrno(error, E.NOENT)) return false
    throw error
  }
}

/** Asks the host what plans depend on. */
export function probeHost(): HostFacts {
  return { lastCapability: lastCapability(), cgroup: probeCgroups() }
}
