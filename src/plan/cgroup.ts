import { cleanPath, parentPath } from '../base/paths.ts'
import type { CgroupFacts, Hierarchy } from './facts.ts'
import { planSystemdUnit, type SystemdUnit } from './systemd-unit.ts'

/** The container's cgroup in one hierarchy. */
export interface CgroupPath {
  /** As in `Hierarchy`. */
  readonly controllers: string
  /** Mount point of the hierarchy: what is above is not the container's business. */
  readonly mountPoint: string
  /** Absolute path of the container's directory. */
  readonly path: string
}

/** Who makes and removes the container's cgroups. */
export type CgroupDriver = 'cgroupfs' | 'systemd' | 'disabled'

/** The unit that the systemd driver has the container's cgroup made by. */
export interface CgroupUnit extends SystemdUnit {
  /** Of the user's own systemd instead of the host's. */
  readonly isUser: boolean
}

export interface CgroupPlan {
  readonly mode: CgroupFacts['mode']
  readonly driver: CgroupDriver
  /** None with the driver `disabled`. */
  readonly paths: readonly CgroupPath[]
  /** With the driver `systemd`. */
  readonly unit?: CgroupUnit
}

export interface CgroupOptions {
  readonly driver: CgroupDriver
  /** For the driver `systemd`: the cgroup of the user's systemd, if it is that one that is asked. */
  readonly userManager?: string | undefined
}

/**
 * Where a container's cgroups are. With the cgroupfs driver: an absolute `cgroupsPath` below each
 * mount point, a relative one below the runtime's own cgroup (v2: beside it), none: as the id. With
 * systemd: where its unit is.
 *
 * @throws {SpecError} if the systemd driver cannot take `cgroupsPath` for a unit's name
 * @see runtime-spec config-linux.md "Cgroups Path" (M-070)
 */
export function planCgroup(
  facts: CgroupFacts,
  cgroupsPath: string | undefined,
  id: string,
  options: CgroupOptions = { driver: 'cgroupfs' },
): CgroupPlan {
  const { mode } = facts
  const { driver } = options
  if (driver === 'disabled') return { mode, driver, paths: [] }
  if (driver === 'systemd') return planSystemd(facts, cgroupsPath, id, options.userManager)
  const wanted = cgroupsPath === undefined || cgroupsPath === '' ? id : cgroupsPath
  // cleaned as an absolute path, so that `..` cannot climb out
  const inside = cleanPath(`/${wanted}`)
  const paths = facts.hierarchies.map((hierarchy): CgroupPath => {
    const start = wanted.startsWith('/') ? '' : startOf(hierarchy, mode)
    return pathIn(hierarchy, `${start}${inside}`)
  })
  return { mode, driver, paths }
}

function planSystemd(
  facts: CgroupFacts,
  cgroupsPath: string | undefined,
  id: string,
  userManager: string | undefined,
): CgroupPlan {
  const unit = planSystemdUnit(cgroupsPath, id, userManager)
  return {
    mode: facts.mode,
    driver: 'systemd',
    paths: facts.hierarchies.map((hierarchy) => pathIn(hierarchy, unit.cgroup)),
    unit: { ...unit, isUser: userManager !== undefined },
  }
}

function pathIn({ controllers, mountPoint }: Hierarchy, inside: string): CgroupPath {
  return { controllers, mountPoint, path: cleanPath(`${mountPoint}/${inside}`) }
}

function startOf(hierarchy: Hierarchy, mode: CgroupFacts['mode']): string {
  return mode === 'v2' ? parentPath(hierarchy.own) : hierarchy.own
}
