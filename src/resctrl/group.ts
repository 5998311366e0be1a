/** One group of resctrl: a class of service, or a monitoring group in it. */
import { messageOf } from '../base/errors.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { AT, fstat, mkdir, O, open, readFile, statIfAny, unlink, writeAll } from '../sys/file.ts'
import { clear, furnish, living, take } from './fake-tree.ts'
import type { ResctrlTree } from './mount.ts'

/**
 * Opens a group; `.` is the directory itself. Links are not followed.
 *
 * @throws {SyscallError} ENOENT, ENOTDIR
 */
export function openGroup(parent: Fd, name: string): Fd {
  return open(parent, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW)
}

/** The class of service of this name, the default one if it is empty. @throws {SyscallError} */
export function openClass(tree: ResctrlTree, group: string): Fd {
  return openGroup(tree.root, group === '' ? '.' : group)
}

/**
 * Makes a group unless there is one.
 *
 * @param parent - the root of the file system, or a `mon_groups`
 * @returns its inode number if it was made
 * @throws {Error} with the kernel's reason
 */
export function makeGroup(tree: ResctrlTree, parent: Fd, name: string): number | undefined {
  try {
    mkdir(parent, name, 0o755)
  } catch (error) {
    if (isErrno(error, E.EXIST)) return undefined
    throw withReason(tree, error)
  }
  try {
    using group = openGroup(parent, name)
    if (tree.isFake) furnish(tree.root, group, parent === tree.root)
    return fstat(group).ino
  } catch (error) {
    unlink(parent, name, AT.REMOVEDIR)
    throw error
  }
}

/**
 * Removes a group; processes in it go back to where they would be without it.
 *
 * @param made - what `makeGroup` returned: a group that has come in place of that one stays
 */
export function removeGroup(tree: ResctrlTree, parent: Fd, name: string, made: number): void {
  if (statIfAny(parent, name, false)?.ino !== made) return
  if (tree.isFake) {
    using group = openGroup(parent, name)
    clear(group)
  }
  try {
    unlink(parent, name, AT.REMOVEDIR)
  } catch (error) {
    if (!isErrno(error, E.NOENT)) throw withReason(tree, error)
  }
}

/**
 * Writes a line to a file of a group, at once, as the kernel wants it.
 *
 * @throws {Error} with the kernel's reason
 */
export function writeLine(tree: ResctrlTree, group: Fd, file: string, line: string): void {
  try {
    if (tree.isFake) {
      take(group, file, line)
      return
    }
    using opened = open(group, file, O.WRONLY | O.NOFOLLOW)
    writeAll(opened, `${line}\n`)
  } catch (error) {
    throw withReason(tree, error, line)
  }
}

/** The text of a group's `schemata`. @throws {SyscallError} */
export function readSchemata(group: Fd): string {
  return readFile(group, 'schemata')
}

/** True if a group holds processes that this process can see. */
export function isInUse(tree: ResctrlTree, group: Fd): boolean {
  const tasks = readFile(group, 'tasks', 64 << 20)
  return (tree.isFake ? living(tasks) : tasks).trim() !== ''
}

/** Adds what the kernel says about the last thing that failed. */
function withReason(tree: ResctrlTree, cause: unknown, line?: string): Error {
  const what = line === undefined ? '' : `${JSON.stringify(line)}: `
  const status = lastStatus(tree)
  const reason = status === '' || status === 'ok' ? '' : ` (last_cmd_status: ${status})`
  return new Error(`${what}${messageOf(cause)}${reason}`, { cause })
}

function lastStatus({ root }: ResctrlTree): string {
  try {
    return readFile(root, 'info/last_cmd_status').trim().replaceAll('\n', '; ')
  } catch {
    // kernels before 4.15 have none, and the failure itself is what counts
    return ''
  }
}
