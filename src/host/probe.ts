import { probeCgroups } from '../cgroup/probe.ts'
import type { HostFacts } from '../plan/facts.ts'
import { S } from '../sys/ffi.ts'
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

/** Asks the host what plans depend on. */
export function probeHost(): HostFacts {
  return { lastCapability: lastCapability(), cgroup: probeCgroups() }
}
