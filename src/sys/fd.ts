import { check } from './check.ts'
import { S } from './ffi.ts'
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

const F = { DUPFD_CLOEXEC: 1030, SETFD: 2 } as const
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

/**
 * Marks every descriptor from `first` on close-on-exec.
 *
 * @throws {SyscallError} EINVAL or ENOSYS before Linux 5.11
 * @see close_range(2)
 */
export function closeOnExecFrom(first: number): void {
  check('close_range', `${first}-`, S(NR.close_range, first, 0xffffffff, CLOSE_RANGE_CLOEXEC))
}
