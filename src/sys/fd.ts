import { check } from './check.ts'
import { S } from './ffi.ts'
import { alloc, at, view } from './memory.ts'
import { NR } from './numbers.ts'

/** A file descriptor with an owner; `label` is how messages call it. Closed when disposed. */
export class Fd implements Disposable {
  /** -1 once closed. */
  number: number
  readonly label: string

  constructor(number: number, label: string) {
    this.number = number
    this.label = label
  }

  /** Closes the descriptor; closing twice does nothing. */
  close(): void {
    if (this.number < 0) return
    S(NR.close, this.number)
    this.number = -1
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

const F = { DUPFD_CLOEXEC: 1030, SETFD: 2, GETFL: 3, SETFL: 4 } as const
const O_NONBLOCK = 0o4000
const FD_CLOEXEC = 1
const CLOSE_RANGE_CLOEXEC = 4

/** The lowest free descriptor number not below `lowest`, as a close-on-exec duplicate. @see fcntl(2) */
export function duplicate(fd: Fd, lowest = 0): Fd {
  const number = check('fcntl', 'F_DUPFD_CLOEXEC', S(NR.fcntl, fd.number, F.DUPFD_CLOEXEC, lowest))
  return new Fd(number, fd.label)
}

/** Makes `number` survive, or end at, execve. @throws {SyscallError} EBADF @see fcntl(2) */
export function setCloseOnExec(number: number, close: boolean): void {
  check('fcntl', `F_SETFD ${number}`, S(NR.fcntl, number, F.SETFD, close ? FD_CLOEXEC : 0))
}

/** Makes `number`, if it is open, end at execve. @see fcntl(2) */
export function setCloseOnExecIfOpen(number: number): void {
  S(NR.fcntl, number, F.SETFD, FD_CLOEXEC)
}

/**
 * Has calls fail with EAGAIN that would wait. All who share the open file are concerned, so it is
 * for files of our own. @see fcntl(2)
 */
export function setNonblocking(fd: Fd): void {
  const flags = check('fcntl', `F_GETFL ${fd.label}`, S(NR.fcntl, fd.number, F.GETFL))
  check('fcntl', `F_SETFL ${fd.label}`, S(NR.fcntl, fd.number, F.SETFL, flags | O_NONBLOCK))
}

/**
 * Marks every descriptor from `first` on close-on-exec.
 *
 * @throws {SyscallError} EINVAL or ENOSYS before Linux 5.11
 * @see close_range(2)
 */
export function closeOnExecFrom(first: number): void {
  check('close_range', `${first}-`, S(NR.close_range, first, 0xffffffff, CLOSE_RANGE_CLOEXEC))
}

/**
 * Closes every descriptor from `first` on but those in `kept`, at once.
 *
 * @throws {SyscallError} ENOSYS before Linux 5.9, EPERM from a filter
 * @see close_range(2)
 */
export function closeFrom(first: number, kept: readonly number[]): void {
  let next = first
  for (const number of [...kept].sort((a, b) => a - b)) {
    if (number < next) continue
    if (number > next) closeRange(next, number - 1)
    next = number + 1
  }
  closeRange(next, 0xffffffff)
}

function closeRange(first: number, last: number): void {
  check('close_range', `${first}-${last}`, S(NR.close_range, first, last, 0))
}

const O_CLOEXEC = 0o2000000

/** The two ends of a pipe. @see pipe2(2) */
export function pipe(label = 'pipe'): [reader: Fd, writer: Fd] {
  const pair = alloc(8)
  check('pipe2', label, S(NR.pipe2, at(pair), O_CLOEXEC))
  return [new Fd(view.getInt32(pair, true), label), new Fd(view.getInt32(pair + 4, true), label)]
}
