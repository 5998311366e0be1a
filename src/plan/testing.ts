/** For tests of the plan only. */
import type { Spec } from '../../spec/generated/config.ts'
import type { HostFacts } from './facts.ts'

/** Facts of a host with two v1 hierarchies. */
export const FACTS: HostFacts = deepFreeze({
  lastCapability: 40,
  cgroup: {
    mode: 'v1',
    hierarchies: [
      { controllers: 'cpu,cpuacct', mountPoint: '/sys/fs/cgroup/cpu,cpuacct', own: '/user/me' },
      { controllers: 'name=systemd', mountPoint: '/sys/fs/cgroup/systemd', own: '/' },
    ],
  },
})

/** The least that makes a container, with `more` over it. */
export function minimalSpec(more: Partial<Spec> = {}): Spec {
  return {
    ociVersion: '1.2.0',
    root: { path: 'rootfs' },
    process: { cwd: '/', args: ['true'] },
    linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }] },
    ...more,
  }
}

/** Makes writing to `value`, or to anything in it, an error. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const inner of Object.values(value)) deepFreeze(inner)
  return Object.freeze(value)
}
