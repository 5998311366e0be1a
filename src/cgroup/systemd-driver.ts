/** The systemd driver: systemd makes and removes the cgroup, as that of a transient unit. */
import type { LinuxResources } from '../../spec/generated/config.ts'
import type { Log } from '../base/log.ts'
import type { CgroupPlan, CgroupUnit } from '../plan/cgroup.ts'
import type { CgroupLimits } from '../plan/cgroup-limits.ts'
import { planResources } from '../plan/resources/resources.ts'
import { planAnnotatedProperties } from '../plan/systemd-annotations.ts'
import { planDeviceProperties } from '../plan/systemd-devices.ts'
import { planUnitProperties, type SystemdHost } from '../plan/systemd-properties.ts'
import { planResourceProperties } from '../plan/systemd-resources.ts'
import { readFile } from '../sys/file.ts'
import { makeCgroups } from './cgroupfs.ts'
import { enterDirectories } from './directories.ts'
import type { Driver, MadeCgroups } from './driver.ts'
import { killAll } from './kill.ts'
import { removeDirectories } from './remove.ts'
import { applyResources } from './resources.ts'
import { Systemd } from './systemd.ts'

function unitOf({ unit }: CgroupPlan): CgroupUnit {
  if (unit === undefined) throw new Error('the plan has no unit')
  return unit
}

function connect(unit: CgroupUnit): Systemd {
  return Systemd.connect(unit.isUser ? 'user' : 'system')
}

function hostOf({ mode }: CgroupPlan, systemd: Systemd): SystemdHost {
  return { cgroupVersion: mode === 'v2' ? 2 : 1, systemdVersion: systemd.version() }
}

/** `resources` as systemd gets them, and as they are written then: with the quota that it makes. */
function planFor(plan: CgroupPlan, host: SystemdHost, resources: LinuxResources, at?: string) {
  const { properties, quota, warnings } = planResourceProperties(resources, host, at)
  const rounded =
    quota === undefined ? resources : { ...resources, cpu: { ...resources.cpu, quota } }
  return { properties, warnings, writes: planResources(rounded, plan.mode, at) }
}

function place(plan: CgroupPlan, limits: CgroupLimits, pid: number, log: Log): MadeCgroups {
  const unit = unitOf(plan)
  using systemd = connect(unit)
  const host = hostOf(plan, systemd)
  const resources = planFor(plan, host, limits.resources)
  const devices = planDeviceProperties(
    limits.deviceRules,
    host,
    readFile(undefined, '/proc/devices'),
  )
  for (const warning of [...resources.warnings, ...devices.warnings]) log.warning(warning)
  const annotated = planAnnotatedProperties(limits.annotations)
  systemd.startUnit(unit.unit, pid, [
    ...planUnitProperties(unit, host, annotated, limits.resources.unified),
    ...resources.properties,
    ...devices.properties,
  ])
  try {
    // what systemd has not made: controllers that it leaves alone, a directory in a slice
    const { inode, undo } = makeCgroups(plan, { ...limits, writes: resources.writes }, true)
    enterDirectories(plan, pid)
    return {
      inode,
      undo: () => {
        undo()
        remove(plan)
      },
    }
  } catch (error) {
    // systemd would ask the process nicely, and wait
    killAll(plan)
    remove(plan)
    throw error
  }
}

function update(plan: CgroupPlan, changed: LinuxResources, log: Log): void {
  const unit = unitOf(plan)
  using systemd = connect(unit)
  const { properties, warnings, writes } = planFor(plan, hostOf(plan, systemd), changed, '')
  for (const warning of warnings) log.warning(warning)
  systemd.setUnitProperties(unit.unit, properties)
  applyResources(plan, writes)
}

function remove(plan: CgroupPlan): void {
  const unit = unitOf(plan)
  using systemd = connect(unit)
  systemd.stopUnit(unit.unit)
  removeDirectories(plan)
}

export const systemd: Driver = { place, update, remove }
