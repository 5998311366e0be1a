import type { Spec } from '../../spec/generated/config.ts'
import type { Pointer } from '../base/errors.ts'

/** What is wrong with a bundle, and where. Only an error keeps a container from being created. */
export interface Problem {
  readonly severity: 'error' | 'warning'
  readonly message: string
  readonly pointer: Pointer
}

/** Takes one problem; may throw to end the checks. */
export type Report = (pointer: Pointer, message: string, severity?: Problem['severity']) => void

/** What the checks of a specification depend on besides the specification itself. */
export interface SpecFacts {
  /** The effective user id is not 0. */
  readonly isRootless: boolean
  /** Cgroup permission errors are tolerated. */
  readonly hasRootlessCgroups: boolean
  readonly usesSystemdCgroup: boolean
  /** --no-pivot was given. */
  readonly avoidsPivot: boolean
  /** The path of the network namespace leads to the runtime's own; absent: not known. */
  readonly joinsHostNetwork?: boolean
  /** AppArmor is enabled; absent: not known. */
  readonly hasApparmor?: boolean
  /** SELinux is enabled; absent: not known. */
  readonly hasSelinux?: boolean
  /** The version of the cgroup hierarchy in use; absent: not known. */
  readonly cgroupVersion?: 1 | 2
  /** What the kernel offers for linux.intelRdt; absent: not known. */
  readonly intelRdt?: {
    readonly isEnabled: boolean
    readonly hasCacheAllocation: boolean
    readonly hasBandwidthAllocation: boolean
  }
}

/** One rule, or few that belong together. It reports in the order in which runc would fail. */
export type Check = (spec: Spec, report: Report, facts: SpecFacts) => void

/** The namespace of a type that a container is given, if it is given one. */
export function namespaceOf(spec: Spec, type: string): { path?: string } | undefined {
  return spec.linux?.namespaces?.find((namespace) => namespace.type === type)
}

/** Reports each of `strings` that holds a NUL, which no system call can take. */
export function refuseNul(pointer: Pointer, strings: readonly string[], report: Report): void {
  strings.forEach((text, index) => {
    if (text.includes('\0')) report(`${pointer}/${index}`, 'contains nul byte (\\x00)')
  })
}
