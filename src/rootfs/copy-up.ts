/** `tmpcopyup`: a new tmpfs begins with what it will cover. */
import { check, isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import {
  chown,
  fstat,
  mkdir,
  mknod,
  O,
  open,
  readDirectory,
  readlink,
  S_IF,
  type Stat,
  stat,
  symlink,
} from '../sys/file.ts'
import { alloc, at, nameAt, str } from '../sys/memory.ts'
import { NR } from '../sys/numbers.ts'

/** Where copying is. */
interface Copying {
  /** Root of the copy. */
  readonly top: Fd
  /** File with several names, as device and inode: the path of its first name in the copy. */
  readonly firstNames: Map<string, string>
}

/**
 * Copies the content of `directory` into `filesystem`, which nobody sees yet: owners, modes,
 * extended attributes, links as they are, device nodes and fifos as such. Sockets are left out.
 *
 * @param directory - open on what will be covered, `O_PATH` is enough
 * @throws {SyscallError} ENOSPC when the tmpfs is too small
 */
export function copyUp(directory: Fd, filesystem: Fd): void {
  using from = open(directory, '.', O.RDONLY | O.DIRECTORY)
  using to = open(filesystem, '.', O.RDONLY | O.DIRECTORY)
  copyDirectory({ top: to, firstNames: new Map() }, '', from, to)
  copyAttributes(from, to, fstat(from))
}

function copyDirectory(copying: Copying, path: string, from: Fd, to: Fd): void {
  for (const name of readDirectory(from)) {
    const found = stat(from, name, false)
    const type = found.mode & S_IF.MT
    if (type === S_IF.DIR) {
      mkdir(to, name, 0o700)
      using source = open(from, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW)
      using target = open(to, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW)
      copyDirectory(copying, `${path}${name}/`, source, target)
      copyAttributes(source, target, found)
    } else if (type !== S_IF.SOCK && !linkToFirstName(copying, found, to, path, name)) {
      if (type === S_IF.REG) copyFile(from, to, name, found)
      else copySpecial(from, to, name, found)
    }
  }
}

/** @returns true if `name` is now one more name of a file that is copied already */
function linkToFirstName(
  { top, firstNames }: Copying,
  { nlink, devMajor, devMinor, ino }: Stat,
  to: Fd,
  path: string,
  name: string,
): boolean {
  if (nlink < 2) return false
  const file = `${devMajor}:${devMinor}:${ino}`
  const first = firstNames.get(file)
  if (first === undefined) {
    firstNames.set(file, `${path}${name}`)
    return false
  }
  check('link', name, S(NR.linkat, top.number, str(first), to.number, str(name), 0))
  return true
}

function copyFile(from: Fd, to: Fd, name: string, found: Stat): void {
  using source = open(from, name, O.RDONLY | O.NOFOLLOW | O.NONBLOCK)
  using target = open(to, name, O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, 0o600)
  for (;;) {
    const sent = S(NR.sendfile, target.number, source.number, 0, 1 << 30)
    if (check('sendfile', target.label, sent) === 0) break
  }
  copyAttributes(source, target, found)
}

function copySpecial(from: Fd, to: Fd, name: string, found: Stat): void {
  if ((found.mode & S_IF.MT) === S_IF.LNK) {
    using link = open(from, name, O.PATH | O.NOFOLLOW)
    symlink(readlink(link, ''), to, name)
  } else mknod(to, name, found.mode, found.rdevMajor, found.rdevMinor)
  using made = open(to, name, O.PATH | O.NOFOLLOW)
  chown(made, found.uid, found.gid)
}

/** Owner first: chown clears the set-id bits that the mode then restores. */
function copyAttributes(from: Fd, to: Fd, found: Stat): void {
  chown(to, found.uid, found.gid)
  check('chmod', to.label, S(NR.fchmod, to.number, found.mode & 0o7777))
  for (const name of attributeNames(from)) copyAttribute(from, to, name)
}

const XATTR_MOST = 64 * 1024

function attributeNames(fd: Fd): string[] {
  const buffer = alloc(XATTR_MOST)
  const length = S(NR.flistxattr, fd.number, at(buffer), XATTR_MOST)
  if (length <= 0) return []
  return nameAt(buffer, length).split('\0').slice(0, -1)
}

function copyAttribute(from: Fd, to: Fd, name: string): void {
  const key = str(name)
  const buffer = alloc(XATTR_MOST)
  const length = S(NR.fgetxattr, from.number, key, at(buffer), XATTR_MOST)
  if (length < 0) return
  try {
    check('fsetxattr', name, S(NR.fsetxattr, to.number, key, at(buffer), length, 0))
  } catch (error) {
    // a tmpfs keeps fewer kinds of attributes than the file system it covers
    if (!isErrno(error, E.OPNOTSUPP, E.PERM, E.INVAL)) throw error
  }
}
