/** `linux.resources.unified`: files of cgroup v2 by name. */
import type { LinuxResources } from '../../../spec/generated/config.ts'
import { type Pointer, SpecError } from '../../base/errors.ts'
import { type CgroupWrite, segment } from './cgroup-write.ts'

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
    checkName(file, pointer)
    if (value.includes('\0')) {
      throw new SpecError(`unified resource ${JSON.stringify(file)} contains nul byte`, pointer)
    }
    const [controller = ''] = file.split('.', 1)
    return { controller, file, value, pointer, isUnified: true }
  })
}

function checkName(file: string, pointer: Pointer): void {
  const refuse = (what: string): SpecError =>
    new SpecError(`unified resource ${JSON.stringify(file)} ${what}`, pointer)
  if (file.includes('/')) throw refuse('must be a file name (no slashes)')
  if (!/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$/.test(file)) {
    throw refuse('must be in the form CONTROLLER.PARAMETER')
  }
  if (ACTING.has(file)) throw refuse('is not a limit')
}
