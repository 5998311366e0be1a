/** The drivers that there are. */
import type { CgroupPlan } from '../plan/cgroup.ts'
import { cgroupfs } from './cgroupfs.ts'
import type { Driver } from './driver.ts'

/** Without cgroups there is nothing to do, and no limit can be kept. */
const disabled: Driver = {
  update() {
    throw new Error('the container has no cgroups: they were disabled when it was created')
  },
  remove() {},
}

/** The driver that made, or is to make, these cgroups. */
export async function driverOf({ driver }: CgroupPlan): Promise<Driver> {
  if (driver === 'cgroupfs') return cgroupfs
  if (driver === 'disabled') return disabled
  const { systemd } = await import('./systemd-driver.ts')
  return systemd
}
