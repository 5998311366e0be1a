/** Which driver makes a container's cgroups, and whether it can here. */
import { ContainerError } from '../base/errors.ts'
import type { CgroupDriver, CgroupOptions } from '../plan/cgroup.ts'
import type { CgroupFacts } from '../plan/facts.ts'
import { S } from '../sys/ffi.ts'
import { NR } from '../sys/numbers.ts'
import { inUserNamespace } from '../sys/user-namespace.ts'

/**
 * What the plan has to know for `driver`.
 *
 * @throws {ContainerError} if this host has not what it needs
 */
export async function cgroupOptions(
  driver: CgroupDriver,
  facts: CgroupFacts,
): Promise<CgroupOptions> {
  if (driver === 'disabled') return { driver }
  if (facts.hierarchies.length === 0) {
    throw new ContainerError('failed', 'no cgroup file system is mounted below /sys/fs/cgroup')
  }
  return driver === 'systemd' ? systemdOptions(facts) : { driver }
}

async function systemdOptions(facts: CgroupFacts): Promise<CgroupOptions> {
  const { isSystemdRunning, Systemd } = await import('../cgroup/systemd.ts')
  if (!isSystemdRunning()) {
    const message = 'systemd not running on this host, cannot use systemd cgroups manager'
    throw new ContainerError('failed', message)
  }
  if (S(NR.geteuid) === 0 && !inUserNamespace()) return { driver: 'systemd' }
  if (facts.mode !== 'v2') {
    const message = 'cannot use rootless systemd cgroups manager on cgroup v1'
    throw new ContainerError('failed', message)
  }
  using systemd = Systemd.connect('user')
  return { driver: 'systemd', userManager: systemd.managerCgroup() }
}
