import { E } from '../sys/errno.ts'
import { S } from '../sys/ffi.ts'
import { NR } from '../sys/numbers.ts'

/** No such flags: a kernel that knows the call answers EINVAL, and does nothing. */
const NONSENSE = 0x7fffffff

let found: boolean | undefined

/**
 * True if mounts can be made as descriptors, set up, and then attached: open_tree, move_mount,
 * fsopen (Linux 5.2) and mount_setattr (5.12). All or none: otherwise everything goes through
 * mount(2). Asked once a process.
 */
export function hasMountDescriptors(): boolean {
  found ??= [
    S(NR.open_tree, -1, 0, NONSENSE),
    S(NR.move_mount, -1, 0, -1, 0, NONSENSE),
    S(NR.fsopen, 0, NONSENSE),
    S(NR.mount_setattr, -1, 0, NONSENSE, 0, 0),
  ].every((result) => result !== -E.NOSYS)
  return found
}
