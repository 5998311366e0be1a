import type { LinuxSeccomp } from '../../spec/generated/config.ts'
import type { TestBundle, TestSpec } from './bundle.ts'
import type { Outcome } from './cli.ts'

/** Runs the bundle's container with a filter, and with global options. */
export function runWith(
  b: TestBundle,
  seccomp: LinuxSeccomp,
  change: (spec: TestSpec) => void = () => {},
  ...options: string[]
): Promise<Outcome> {
  b.reconfigure((spec) => {
    spec.linux.seccomp = seccomp
    change(spec)
  })
  return b.tsrun(...options, 'run', b.id)
}
