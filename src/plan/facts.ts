import type { CgroupFacts } from '../cgroup/facts.ts'

/** What a plan needs to know of the host; asked once, in `host/probe.ts`. */
export interface HostFacts {
  /** The kernel's highest capability number. */
  readonly lastCapability: number
  readonly cgroup: CgroupFacts
}
