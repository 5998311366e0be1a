/**
 * What the last-exec stub is to do: a table of system calls, as pure data. The same table can be
 * walked in JavaScript where a memfd may not be executed.
 */

/**
 * What a row's result means. An error of a row:
 *
 * - `ignore`: nothing
 * - `fatal`: a record goes to `reportFd`, then exit 255
 * - `warn`: a record goes to `reportFd`, then the next row
 * - `final`: for execve(2): prefix and error text go to fd 2, then exit 255
 * - `fatal-or-zero`: as `fatal`, and a result of 0 too (end of file: the other side is gone),
 *   with error number 0 in the record
 * - `fork`: as `fatal`; where it succeeds, the child (its result is 0) takes the next row, and the
 *   parent reports the child's id in a record and exits 255
 */
export type RowMode = 'ignore' | 'fatal' | 'warn' | 'final' | 'fatal-or-zero' | 'fork'

/**
 * An argument of a system call:
 *
 * - a number or bigint, taken modulo 2^64
 * - `bytes`: the address of a writable, 8-byte aligned copy of them
 * - `string`: the address of the string, ended by NUL
 * - `strings`: the address of an array of pointers to such strings, ended by NULL
 * - `words`: the address of 64-bit words, each again an argument (iovec, sock_fprog, sigaction)
 * - `handler`: the address of a signal handler that exits with 128 + signal
 *
 * The same object in several places is one place in memory: what a call writes there, a later
 * row finds.
 */
export type Arg =
  | number
  | bigint
  | { readonly bytes: Uint8Array }
  | { readonly string: string }
  | { readonly strings: readonly string[] }
  | { readonly words: readonly Arg[] }
  | { readonly handler: true }

/** One system call. */
export interface Row {
  /** Its number on the machine in use. */
  readonly nr: number
  /** At most six; missing ones are 0. */
  readonly args: readonly Arg[]
  readonly mode: RowMode
  /** A result that is not an error replaces this argument of a later row. */
  readonly dst?: { readonly row: number; readonly arg: number }
}

/** What `buildLastExec` makes an executable of. */
export interface Program {
  /** After the last row, exit 255: the last one is meant to be a `final` execve(2). */
  readonly rows: readonly Row[]
  /** Open descriptor that takes 16-byte records; see `decodeRecord`. */
  readonly reportFd: number
  /** In front of the error text of a `final` row: `exec /run.sh: `. */
  readonly execFailurePrefix: string
}

/** The `struct sigaction` of rt_sigaction(2) by which the stub exits with 128 + signal. */
export const EXIT_ON_SIGNAL: Arg = {
  words: [
    { handler: true },
    0x04000000, // SA_RESTORER, which x86-64 demands; the handler never returns to it
    { handler: true },
    0,
  ],
}
