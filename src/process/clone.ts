/** Makes the container's first process: a copy of this one, which must have one thread. */

import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { stat } from '../sys/file.ts'
import { clone3, exit, setUndumpable } from '../sys/process.ts'

/**
 * A helper thread of the engine would not exist in the copy, which could then wait for it for
 * ever. /proc/self/task has two links of its own and one a thread.
 */
function assertOneThread(): void {
  const threads = stat(undefined, '/proc/self/task').nlink - 2
  if (threads !== 1) throw new Error(`the engine has ${threads} threads and cannot be copied`)
}

/**
 * Copies this process into new namespaces.
 *
 * @param flags - `CLONE.NEW*`
 * @param cgroup - a cgroup v2 directory to start in; where the kernel cannot, or the cgroup will
 *   not take it, `intoCgroup` is false and the child has to join by itself
 * @param child - what the copy does; it never returns
 * @returns in the parent
 */
export function cloneProcess(
  flags: number,
  cgroup: Fd | undefined,
  child: (intoCgroup: boolean) => never,
): { pid: number; pidfd: Fd; intoCgroup: boolean } {
  assertOneThread()
  // also for the copy, from its first moment on: in a pid namespace that it joins there are others
  setUndumpable()
  let intoCgroup = cgroup !== undefined
  let made: { pid: number; pidfd: Fd }
  try {
    made = clone3(flags, cgroup)
  } catch (error) {
    const other = isErrno(error, E.INVAL, E.BUSY, E.OPNOTSUPP, E.NOSYS)
    if (cgroup === undefined || !other) throw error
    intoCgroup = false
    made = clone3(flags)
  }
  if (made.pid !== 0) return { ...made, intoCgroup }
  try {
    child(intoCgroup)
  } catch {
    exit(255)
  }
}
