/** Which cgroups a process of `exec` enters (threat T-27). */
import { ContainerError } from '../base/errors.ts'
import type { CgroupPath, CgroupPlan } from './cgroup.ts'

/**
 * What --cgroup asks for: a path for each controller named, or under the empty name one for all.
 * None: the container's own cgroups.
 */
export type SubCgroups = ReadonlyMap<string, string>

export interface ExecCgroupPlan {
  /** Below the container's, or these themselves. */
  readonly paths: readonly CgroupPath[]
  /** What to enter in the cgroup v2 hierarchy if that one does not take the process. */
  readonly otherwise?: 'first process' | { readonly path: string }
}

/**
 * Reads the values of --cgroup: one `PATH`, or `CONTROLLER[,CONTROLLER]:PATH` any number of times.
 *
 * @throws {Error} in runc's words
 */
export function parseSubCgroups(values: readonly string[]): SubCgroups {
  const paths = new Map<string, string>()
  for (const value of values) {
    const colon = value.indexOf(':')
    if (colon < 0) {
      if (values.length > 1) {
        throw new Error(`invalid --cgroup argument: ${value} (missing <controller>: prefix)`)
      }
      paths.set('', value)
      continue
    }
    for (const controller of value.slice(0, colon).split(',')) {
      if (controller === '') {
        throw new Error(`invalid --cgroup argument: ${value} (empty <controller> prefix)`)
      }
      if (paths.has(controller)) {
        throw new Error(
          `invalid --cgroup argument(s): controller ${controller} specified multiple times`,
        )
      }
      paths.set(controller, value.slice(colon + 1))
    }
  }
  return paths
}

/**
 * Decides which cgroups to enter.
 *
 * @throws {ContainerError} for a path that would lead out of the container's cgroup, or for a
 *   controller that the container has no cgroup of
 */
export function planExecCgroup(cgroup: CgroupPlan, subs: SubCgroups): ExecCgroupPlan {
  const { mode, paths } = cgroup
  const everywhere = subs.get('')
  if (everywhere !== undefined) return planEverywhere(cgroup, everywhere)
  const chosen = new Map<CgroupPath, string>()
  for (const [controller, sub] of subs) {
    const found = paths.find(({ controllers }) => controllers.split(',').includes(controller))
    if (found === undefined) {
      throw new ContainerError('failed', `unknown controller ${controller} in SubCgroupPaths`)
    }
    chosen.set(found, sub)
  }
  return {
    paths: paths.map((path) => below(path, chosen.get(path) ?? '')),
    ...(mode === 'v2' && { otherwise: 'first process' as const }),
  }
}

function planEverywhere({ mode, paths }: CgroupPlan, sub: string): ExecCgroupPlan {
  const unified = paths.find(({ controllers }) => controllers === '')
  return {
    paths: paths.map((path) => below(path, sub)),
    // beside version 1 nobody needs to know that there is version 2, which has no controllers then
    ...(mode === 'hybrid' && unified && { otherwise: { path: unified.path } }),
  }
}

/** A leading slash is the container's cgroup. `..` is refused even where it would not lead out. */
function below(cgroup: CgroupPath, sub: string): CgroupPath {
  const names = sub.split('/').filter((name) => name !== '' && name !== '.')
  if (names.includes('..')) throw new ContainerError('failed', `bad sub cgroup path: ${sub}`)
  return { ...cgroup, path: [cgroup.path, ...names].join('/') }
}
