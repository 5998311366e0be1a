import { cleanPath, parentPath } from '../base/paths.ts'
import type { CgroupFacts, Hierarchy } from './facts.ts'

/** The container's cgroup in one hierarchy. */
export interface CgroupPath {
  /** As in `Hierarchy`. */
  readonly controllers: string
  /** Mount point of the hierarchy: what is above is not the container's business. */
  readonly mountPoint: string
  /** Absolute path of the container's directory. */
  readonly path: string
}

export interface CgroupPlan {
  readonly mode: CgroupFacts['mode']
  readonly paths: readonly CgroupPath[]
}

/**
 * Where a container's cgroups are with the cgroupfs driver: an absolute `cgroupsPath` below each
 * mount point, a relative one below the runtime's own cgroup (v2: beside it), none: as the id.
 *
 * @see runtime-spec config-linux.md "Cgroups Path" (M-070)
 */
export function planCgroup(
  facts: CgroupFacts,
  cgroupsPath: string | undefined,
  id: string,
): CgroupPlan {
  const wanted = cgroupsPath === undefined || cgroupsPath === '' ? id : cgroupsPath
  // cleaned as an absolute path, so that `..` cannot climb out
  const inside = cleanPath(`/${wanted}`)
  const paths = facts.hierarchies.map((hierarchy): CgroupPath => {
    const { controllers, mountPoint } = hierarchy
    const start = wanted.startsWith('/') ? '' : startOf(hierarchy, facts.mode)
    return { controllers, mountPoint, path: cleanPath(`${mountPoint}/${start}${inside}`) }
  })
  return { mode: facts.mode, paths }
}

function startOf(hierarchy: Hierarchy, mode: CgroupFacts['mode']): string {
  return mode === 'v2' ? parentPath(hierarchy.own) : hierarchy.own
}
