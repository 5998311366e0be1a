/** `linux.resources.unified`: files of cgroup v2 by name. */
import type { LinuxResources } from '../../../spec/generated/config.ts'
import { type Pointer, SpecError } from '../../base/errors.ts'
import { segment } from '../../base/pointer.ts'
import type { CgroupWrite } from './cgroup-write.ts'

/**
 * Files that act instead of limiting. With them a configuration could pull processes of the host
 * into the container, which end with it, or end or stop the container before it has started.
 */
const ACTING = new Set(['cgroup.procs', 'cgroup.threads', 'cgroup.kill', 'cgroup.freeze'])

/**
 * The entries in the order given. A name that tsrun does not know is written too (M-083).
 *
 * @param at - pointer of the resources
 * @throws {SpecError} for a name that is no plain file name of a cgroup
 */
export function planUnified({ unified = {} }: LinuxResources, at: Pointer): CgroupWrite[] {
  return Object.entries(unified).map(([file, value]): CgroupWrite => {
    const pointer = `${at}/unified/${segment(file)}`
    const problem = unifiedNameProblem(file)
    if (problem !== undefined) throw new SpecError(problem, pointer)
    if (value.includes('\0')) {
      throw new SpecError(`unified resource ${JSON.stringify(file)} contains nul byte`, pointer)
    }
    const [controller = ''] = file.split('.', 1)
    return { controller, file, value, pointer, isUnified: true }
  })
}

/** What is wrong with the name of an entry; undefined if nothing is (threat T-29). */
export function unifiedNameProblem(file: string): string | undefined {
  const what = whatIsWrong(file)
  return what && `unified resource ${JSON.stringify(file)} ${what}`
}

function whatIsWrong(file: string): string | undefined {
  if (file.includes('/')) return 'must be a file name (no slashes)'
  if (!/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$/.test(file)) {
    return 'must be in the form CONTROLLER.PARAMETER'
  }
  return ACTING.has(file) ? 'is not a limit' : undefined
}
