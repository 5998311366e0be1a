import { SyscallError } from '../base/errors.ts'
import { E, errnoName, errnoText } from './errno.ts'

/** The error for a failed call: `result` is the negative error number. */
export function failure(syscall: string, subject: string, result: number): SyscallError {
  return new SyscallError(syscall, subject, -result, errnoName(-result), errnoText(-result))
}

/**
 * Lets a good result through.
 *
 * @param result - what `S` returned
 * @throws {SyscallError} if `result` is a negative error number
 */
export function check(syscall: string, subject: string, result: number): number {
  if (result < 0) throw failure(syscall, subject, result)
  return result
}

/** Repeats a call as long as a signal interrupts it. */
export function retry(call: () => number): number {
  for (;;) {
    const result = call()
    if (result !== -E.INTR) return result
  }
}

/** True if `thrown` is a system call failure with one of these error numbers. */
export function isErrno(thrown: unknown, ...errnos: readonly number[]): thrown is SyscallError {
  return thrown instanceof SyscallError && errnos.includes(thrown.errno)
}
