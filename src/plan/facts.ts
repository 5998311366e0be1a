/** What a plan needs to know of the host; asked once, in `host/probe.ts`. */

/** One mounted hierarchy. */
export interface Hierarchy {
  /** Controllers as in /proc/PID/cgroup: `cpu,cpuacct`, `name=systemd`, empty for cgroup v2. */
  readonly controllers: string
  readonly mountPoint: string
  /** The runtime's own cgroup in it: `/` or `/user.slice`. */
  readonly own: string
}

export interface CgroupFacts {
  readonly mode: 'v1' | 'hybrid' | 'v2'
  readonly hierarchies: readonly Hierarchy[]
}

export interface HostFacts {
  /** The kernel's highest capability number. */
  readonly lastCapability: number
  readonly cgroup: CgroupFacts
}
