/** Hands a cgroup v2 over to the container's user. */
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { chown, O, open, readFile } from '../sys/file.ts'

/** What may be handed over where the kernel does not say (before Linux 4.15). */
const FALLBACK = ['cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads']

/** Its group stays. @see chown(2) */
const SAME_GROUP = -1

/**
 * Makes `uid` the owner of the cgroup and of those of its files that the kernel means for the one
 * whom it is handed to. Files that it lacks are no error (M-073).
 *
 * @see the kernel's admin-guide/cgroup-v2 "Model of Delegation", /sys/kernel/cgroup/delegate
 */
export function delegate(path: string, uid: number): void {
  using directory = open(undefined, path, O.RDONLY | O.DIRECTORY)
  chown(directory, uid, SAME_GROUP)
  for (const name of delegatable()) handOver(directory, name, uid)
}

function handOver(directory: Fd, name: string, uid: number): void {
  try {
    using file = open(directory, name, O.PATH | O.NOFOLLOW)
    chown(file, uid, SAME_GROUP)
  } catch (error) {
    if (!isErrno(error, E.NOENT)) throw error
  }
}

function delegatable(): string[] {
  try {
    return readFile(undefined, '/sys/kernel/cgroup/delegate').split('\n').filter(Boolean)
  } catch (error) {
    if (isErrno(error, E.NOENT)) return FALLBACK
    throw error
  }
}
