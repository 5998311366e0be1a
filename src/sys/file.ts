import { check, failure, retry } from './check.ts'
import { E } from './errno.ts'
import { Fd } from './fd.ts'
import { addressOf, S } from './ffi.ts'
import { alloc, arena, at, get64, nameAt, put64, room, str, text, view } from './memory.ts'
import { NR } from './numbers.ts'

/** `O_*` of open(2), the same on x86-64 and aarch64 but for two. */
const arm = process.arch === 'arm64'
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DIRECTORY: arm ? 0o40000 : 0o200000,
  NOFOLLOW: arm ? 0o100000 : 0o400000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const

export const AT = {
  FDCWD: -100,
  SYMLINK_NOFOLLOW: 0x100,
  EACCESS: 0x200,
  REMOVEDIR: 0x200,
  EMPTY_PATH: 0x1000,
  RECURSIVE: 0x8000,
} as const

/** File types in `st_mode`. @see inode(7) */
export const S_IF = {
  MT: 0o170000,
  SOCK: 0o140000,
  LNK: 0o120000,
  REG: 0o100000,
  BLK: 0o060000,
  DIR: 0o040000,
  CHR: 0o020000,
  FIFO: 0o010000,
} as const

/** A directory to resolve against; absent means the working directory. */
export type Dir = Fd | undefined

function dirNumber(dir: Dir): number {
  return dir === undefined ? AT.FDCWD : dir.number
}

/** How messages call `path` below `dir`. */
export function labelOf(dir: Dir, path: string): string {
  if (dir === undefined || path.startsWith('/')) return path
  return path === '' ? dir.label : `${dir.label}/${path}`
}

/**
 * Opens a file; `O_CLOEXEC` is always added.
 *
 * @param flags - `O` values
 * @returns a new descriptor, the caller's to close
 * @throws {SyscallError}
 * @see openat(2)
 */
export function open(dir: Dir, path: string, flags: number, mode = 0): Fd {
  const label = labelOf(dir, path)
  const result = retry(() => S(NR.openat, dirNumber(dir), str(path), flags | O.CLOEXEC, mode))
  return new Fd(check('open', label, result), label)
}

/** `RESOLVE_*` of openat2(2). */
export const RESOLVE = {
  NO_XDEV: 1,
  NO_MAGICLINKS: 2,
  NO_SYMLINKS: 4,
  BENEATH: 8,
  IN_ROOT: 16,
} as const

/**
 * Opens a file with restricted path resolution; `O_CLOEXEC` is always added.
 *
 * @returns the descriptor number, or the negative error number: callers that fall back need it
 * @see openat2(2) (Linux 5.6)
 */
export function openat2(dir: Dir, path: string, flags: number, resolve: number, mode = 0): number {
  const how = alloc(24)
  put64(how, flags | O.CLOEXEC)
  put64(how + 8, mode)
  put64(how + 16, resolve)
  const address = str(path)
  return retry(() => S(NR.openat2, dirNumber(dir), address, at(how), 24))
}

/** What statx(2) tells of a file. Times in nanoseconds are left out: nobody here needs them. */
export interface Stat {
  /** Type and permission bits. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly ino: number
  readonly size: number
  readonly rdevMajor: number
  readonly rdevMinor: number
  readonly devMajor: number
  readonly devMinor: number
}

const STATX_BASIC_STATS = 0x7ff

/**
 * The attributes of `path` below `dir`, or of `dir` itself when `path` is empty.
 *
 * @param follow - false to look at a symbolic link itself
 * @throws {SyscallError}
 * @see statx(2) (Linux 4.11)
 */
export function stat(dir: Dir, path: string, follow = true): Stat {
  const buffer = room(256)
  const flags = (path === '' ? AT.EMPTY_PATH : 0) | (follow ? 0 : AT.SYMLINK_NOFOLLOW)
  const result = S(NR.statx, dirNumber(dir), str(path), flags, STATX_BASIC_STATS, at(buffer))
  check('stat', labelOf(dir, path), result)
  return {
    nlink: view.getUint32(buffer + 16, true),
    uid: view.getUint32(buffer + 20, true),
    gid: view.getUint32(buffer + 24, true),
    mode: view.getUint16(buffer + 28, true),
    ino: get64(buffer + 32),
    size: get64(buffer + 40),
    rdevMajor: view.getUint32(buffer + 128, true),
    rdevMinor: view.getUint32(buffer + 132, true),
    devMajor: view.getUint32(buffer + 136, true),
    devMinor: view.getUint32(buffer + 140, true),
  }
}

/** The attributes of an open descriptor. */
export function fstat(fd: Fd): Stat {
  return stat(fd, '')
}

/** As `stat`, but undefined when there is no such file. */
export function statIfAny(dir: Dir, path: string, follow = true): Stat | undefined {
  try {
    return stat(dir, path, follow)
  } catch (error) {
    if (error instanceof Error && 'errno' in error && error.errno === E.NOENT) return undefined
    throw error
  }
}

/** Type and mount flags of the file system that holds `fd`. @see statfs(2) */
export function fstatfs(fd: Fd): { type: number; flags: number } {
  const buffer = alloc(120)
  check('fstatfs', fd.label, S(NR.fstatfs, fd.number, at(buffer)))
  return { type: get64(buffer), flags: get64(buffer + 80) }
}

/** Creates a directory; umask applies. @throws {SyscallError} EEXIST and others @see mkdirat(2) */
export function mkdir(dir: Dir, path: string, mode: number): void {
  check('mkdir', labelOf(dir, path), S(NR.mkdirat, dirNumber(dir), str(path), mode))
}

/** Creates a file system node; `mode` includes the type. @see mknodat(2) */
export function mknod(dir: Dir, path: string, mode: number, major = 0, minor = 0): void {
  const device = (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)
  check('mknod', labelOf(dir, path), S(NR.mknodat, dirNumber(dir), str(path), mode, device >>> 0))
}

/** Creates a symbolic link at `path`. @see symlinkat(2) */
export function symlink(target: string, dir: Dir, path: string): void {
  check('symlink', labelOf(dir, path), S(NR.symlinkat, str(target), dirNumber(dir), str(path)))
}

/** Removes a name; `AT.REMOVEDIR` for a directory. @see unlinkat(2) */
export function unlink(dir: Dir, path: string, flags = 0): void {
  check(
    flags === AT.REMOVEDIR ? 'rmdir' : 'unlink',
    labelOf(dir, path),
    S(NR.unlinkat, dirNumber(dir), str(path), flags),
  )
}

/** Renames within `dir`, replacing what is there. @see renameat2(2) */
export function rename(dir: Dir, from: string, to: string): void {
  const number = dirNumber(dir)
  check('rename', labelOf(dir, from), S(NR.renameat2, number, str(from), number, str(to), 0))
}

/** The target of a symbolic link. @throws {SyscallError} EINVAL if it is none @see readlinkat(2) */
export function readlink(dir: Dir, path: string): string {
  const buffer = room(4096)
  const result = S(NR.readlinkat, dirNumber(dir), str(path), at(buffer), 4096)
  return nameAt(buffer, check('readlink', labelOf(dir, path), result))
}

/**
 * The working directory as the kernel has it.
 *
 * @returns `(unreachable)/...` when it is outside of this process's root
 * @see getcwd(2)
 */
export function workingDirectory(): string {
  const buffer = room(4096)
  // the length counts the NUL
  return text(buffer, check('getcwd', '', S(NR.getcwd, at(buffer), 4096)) - 1)
}

/** Changes the owner of an open file, also of an `O_PATH` one. @see fchownat(2) */
export function chown(fd: Fd, uid: number, gid: number): void {
  check('chown', fd.label, S(NR.fchownat, fd.number, str(''), uid, gid, AT.EMPTY_PATH))
}

/** Changes the mode of an open file (not `O_PATH`). @see fchmod(2) */
export function chmod(fd: Fd, mode: number): void {
  check('chmod', fd.label, S(NR.fchmod, fd.number, mode))
}

const CHUNK = 64 * 1024

/**
 * Reads from the current position, up to `CHUNK` bytes.
 *
 * @returns where they are in the arena, and whether the end was reached
 */
function readChunk(fd: Fd): { offset: number; length: number; ended: boolean } {
  const offset = room(CHUNK)
  let length = 0
  while (length < CHUNK) {
    const address = at(offset + length)
    const got = retry(() => S(NR.read, fd.number, address, CHUNK - length))
    if (check('read', fd.label, got) === 0) return { offset, length, ended: true }
    length += got
  }
  return { offset, length, ended: false }
}

/**
 * Reads from the current position to the end, as UTF-8.
 *
 * @param most - the largest length taken, in bytes
 * @throws {SyscallError} EFBIG beyond `most`, and those of read(2)
 */
export function readText(fd: Fd, most: number): string {
  const first = readChunk(fd)
  if (first.length > most) throw failure('read', fd.label, -E.FBIG)
  if (first.ended) return text(first.offset, first.length)
  // copied out: the next chunks may take the same place in the ring
  const parts: Buffer[] = []
  let total = 0
  for (let chunk = first; ; chunk = readChunk(fd)) {
    parts.push(Buffer.from(arena.subarray(chunk.offset, chunk.offset + chunk.length)))
    total += chunk.length
    if (total > most) throw failure('read', fd.label, -E.FBIG)
    if (chunk.ended) return Buffer.concat(parts).toString('utf8')
  }
}

/** Reads from the current position to the end, or `most` bytes of it. @throws {SyscallError} */
export function readBytes(fd: Fd, most: number): Uint8Array {
  const bytes = new Uint8Array(most)
  const address = addressOf(bytes)
  let length = 0
  while (length < most) {
    const got = retry(() => S(NR.read, fd.number, address + length, most - length))
    if (check('read', fd.label, got) === 0) break
    length += got
  }
  return bytes.subarray(0, length)
}

/** Writes all of `bytes` at the current position. @throws {SyscallError} @see write(2) */
export function writeBytes(fd: Fd, bytes: Uint8Array): void {
  const address = addressOf(bytes)
  for (let done = 0; done < bytes.length; ) {
    const result = retry(() => S(NR.write, fd.number, address + done, bytes.length - done))
    done += check('write', fd.label, result)
  }
}

/** Reads a whole file as UTF-8 text; `most` bounds its length in bytes. @throws {SyscallError} */
export function readFile(dir: Dir, path: string, most: number = 1 << 20): string {
  using fd = open(dir, path, O.RDONLY)
  return readText(fd, most)
}

/** Writes all of `data` at the current position. @throws {SyscallError} @see write(2) */
export function writeAll(fd: Fd, data: string): void {
  const bytes = data.length * 3 <= CHUNK ? undefined : Buffer.from(data)
  if (bytes === undefined) {
    const offset = room(CHUNK)
    writeWhole(fd, offset, arena.write(data, offset, 'utf8'))
    return
  }
  for (let done = 0; done < bytes.length; done += CHUNK) {
    const part = bytes.subarray(done, done + CHUNK)
    const offset = room(part.length)
    arena.set(part, offset)
    writeWhole(fd, offset, part.length)
  }
}

function writeWhole(fd: Fd, offset: number, length: number): void {
  for (let done = 0; done < length; ) {
    const address = at(offset + done)
    const result = retry(() => S(NR.write, fd.number, address, length - done))
    done += check('write', fd.label, result)
  }
}

const FIONREAD = 0x541b

/** How many bytes can be read from a pipe, fifo or socket at once. @see FIONREAD(2const) */
export function readableBytes(fd: Fd): number {
  const count = alloc(4)
  check('ioctl', `FIONREAD ${fd.label}`, S(NR.ioctl, fd.number, FIONREAD, at(count)))
  return view.getInt32(count, true)
}

/** The next read or write is at `offset`, in bytes. @see lseek(2) */
export function seek(fd: Fd, offset: number): void {
  check('lseek', fd.label, S(NR.lseek, fd.number, offset, 0))
}

/** Opens an existing file and writes `data` with one write(2), as kernel files want it. */
export function writeFile(dir: Dir, path: string, data: string): void {
  using fd = open(dir, path, O.WRONLY)
  const buffer = str(data)
  const length = Buffer.byteLength(data)
  check('write', `${JSON.stringify(data)} to ${fd.label}`, S(NR.write, fd.number, buffer, length))
}

const DT_DIR = 4

/** The names in a directory, without `.` and `..`, in the order the kernel gives. @see getdents(2) */
export function readDirectory(fd: Fd): string[] {
  return readEntries(fd, () => true)
}

/** The names of the directories in a directory, on file systems that tell the type of an entry. */
export function readSubdirectories(fd: Fd): string[] {
  return readEntries(fd, (type) => type === DT_DIR)
}

function readEntries(fd: Fd, wanted: (type: number) => boolean): string[] {
  const names: string[] = []
  for (;;) {
    const buffer = room(CHUNK)
    const got = check('getdents64', fd.label, S(NR.getdents64, fd.number, at(buffer), CHUNK))
    if (got === 0) return names
    for (let entry = buffer; entry < buffer + got; ) {
      const length = view.getUint16(entry + 16, true)
      const end = arena.indexOf(0, entry + 19)
      if (wanted(view.getUint8(entry + 18))) {
        const name = nameAt(entry + 19, end - entry - 19)
        if (name !== '.' && name !== '..') names.push(name)
      }
      entry += length
    }
  }
}

export const LOCK = { SH: 1, EX: 2, NB: 4, UN: 8 } as const

/**
 * Locks an open file description, waiting for who holds the lock (not with NB), or unlocks it.
 *
 * @throws {SyscallError} EAGAIN with NB if somebody else holds it
 * @see flock(2)
 */
export function flock(fd: Fd, operation: number): void {
  check(
    'flock',
    fd.label,
    retry(() => S(NR.flock, fd.number, operation)),
  )
}
