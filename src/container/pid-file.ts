import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { O, open, rename, unlink, writeAll } from '../sys/file.ts'

/**
 * Writes a process id, without newline, and puts the file in place whole. What is at the name, a
 * link for instance, is replaced, not followed (threat H-20).
 *
 * @param path - absolute
 * @throws {SyscallError} EEXIST when another writer's temporary file is there
 */
export function writePidFile(path: string, pid: number): void {
  const slash = path.lastIndexOf('/') + 1
  using dir = open(undefined, path.slice(0, slash - 1) || '/', O.PATH | O.DIRECTORY)
  const name = path.slice(slash)
  const temporary = `.${name}`
  {
    using file = open(dir, temporary, O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, 0o666)
    writeAll(file, `${pid}`)
  }
  try {
    rename(dir, temporary, name)
  } catch (error) {
    removeIfThere(dir, temporary)
    throw error
  }
}

function removeIfThere(dir: Parameters<typeof unlink>[0], name: string): void {
  try {
    unlink(dir, name)
  } catch (error) {
    if (!isErrno(error, E.NOENT)) throw error
  }
}
