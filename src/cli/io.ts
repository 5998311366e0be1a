/** What the command line needs of the kernel: whole writes, the log file, the exit. */
import { parentPath } from '../base/paths.ts'
import { check, isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { duplicate } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { chmod, mkdir, O, open } from '../sys/file.ts'
import { alloc, arena, at, view } from '../sys/memory.ts'
import { NR } from '../sys/numbers.ts'

const STDOUT = 1
const POLLOUT = 4
const CHUNK = 64 * 1024
/** Above the descriptors that a caller hands over with --preserve-fds or LISTEN_FDS. */
const LOG_FD = 512

function waitUntilWritable(fd: number): void {
  const pollfd = alloc(8)
  view.setInt32(pollfd, fd, true)
  view.setInt16(pollfd + 4, POLLOUT, true)
  S(NR.ppoll, at(pollfd), 1)
}

/**
 * Writes all of `text` as UTF-8.
 *
 * @returns 0, or the negative error number of the write that failed
 * @see write(2); a text of up to 64 KB is one call, so log lines of several processes do not mix
 */
export function writeFd(fd: number, text: string): number {
  const bytes = Buffer.from(text)
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(CHUNK, bytes.length - done)
    const buffer = alloc(length)
    arena.set(bytes.subarray(done, done + length), buffer)
    const result = S(NR.write, fd, at(buffer), length)
    if (result >= 0) done += result
    else if (result === -E.AGAIN) waitUntilWritable(fd)
    else if (result !== -E.INTR) return result
  }
  return 0
}

/**
 * Writes what a command is asked for to stdout.
 *
 * @throws {SyscallError} if it cannot be written whole; not when the reader has gone
 */
export function print(text: string): void {
  const result = writeFd(STDOUT, text)
  if (result !== -E.PIPE) check('write', '/dev/stdout', result)
}

/**
 * Opens the log file to append, creating it (0644, umask applies), but no directory.
 *
 * @returns a close-on-exec descriptor, out of the way of descriptors meant for the container
 * @throws {SyscallError}
 */
export function openLog(path: string): number {
  const fd = open(undefined, path, O.WRONLY | O.APPEND | O.CREAT | O.NOCTTY, 0o644)
  try {
    const moved = duplicate(fd, LOG_FD)
    fd.close()
    return moved.number
  } catch (error) {
    // EINVAL: RLIMIT_NOFILE is below LOG_FD
    if (isErrno(error, E.INVAL)) return fd.number
    throw error
  }
}

const TCGETS = 0x5401

/** True if `fd` is a terminal. @see ioctl_tty(2) */
export function isTerminal(fd: number): boolean {
  return S(NR.ioctl, fd, TCGETS, at(alloc(64))) === 0
}

/** Ends the process at once. Bun's own exit would also reset the terminal's settings. */
export function exit(code: number): never {
  for (;;) S(NR.exit_group, code)
}

/** Creates a directory and those above it as needed, all with `mode`. @throws {SyscallError} */
export function makeDirectories(path: string, mode: number): void {
  try {
    mkdir(undefined, path, mode)
  } catch (error) {
    if (isErrno(error, E.EXIST)) return
    if (!isErrno(error, E.NOENT) || parentPath(path) === path) throw error
    makeDirectories(parentPath(path), mode)
    mkdir(undefined, path, mode)
  }
}

/** Changes the mode of a directory. @throws {SyscallError} */
export function setDirectoryMode(path: string, mode: number): void {
  using directory = open(undefined, path, O.RDONLY | O.DIRECTORY)
  chmod(directory, mode)
}

/** The effective user id. */
export function effectiveUserId(): number {
  return check('geteuid', '', S(NR.geteuid))
}
