/** What rows of the last-exec stub's table are made with. */
import type { Arg, Row, RowMode } from '../stub/program.ts'
import { NR, type SyscallName } from '../sys/numbers.ts'

/** A row, with what failed if it does. */
export interface NamedRow extends Row {
  readonly name: string
  readonly pointer: string
  /** Its result becomes the first argument of the row that is so many behind it. */
  readonly resultTo?: number
}

/** Pointer of the rows that nothing in the configuration asks for. */
export const AT_PROCESS = '/process'

/** Operations of prctl(2). */
export const PR = {
  SET_PDEATHSIG: 1,
  SET_DUMPABLE: 4,
  SET_KEEPCAPS: 8,
  SET_NAME: 15,
  CAPBSET_DROP: 24,
  SET_SECUREBITS: 28,
  SET_NO_NEW_PRIVS: 38,
  CAP_AMBIENT: 47,
} as const

const F_SETFD = 2
const FD_CLOEXEC = 1

/**
 * A call, which fails for good if no mode is given.
 *
 * @param words - what an error says of its arguments
 */
export function row(
  call: SyscallName,
  args: readonly Arg[],
  pointer: string,
  options: { mode?: RowMode; words?: string } = {},
): NamedRow {
  const name = options.words === undefined ? call : `${call} ${options.words}`
  return { nr: NR[call], args, mode: options.mode ?? 'fatal', name, pointer }
}

/** An array of 32-bit words. */
export function words32(values: readonly number[]): Arg {
  const bytes = new Uint8Array(Math.max(4, values.length * 4))
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => {
    view.setUint32(i * 4, value, true)
  })
  return { bytes }
}

/** Closes /proc/PID and ptrace to its neighbours, also after the user has been changed. */
export function undumpable(): NamedRow {
  return row('prctl', [PR.SET_DUMPABLE, 0], AT_PROCESS, { words: 'PR_SET_DUMPABLE' })
}

/** Does not let the program have a descriptor. */
export function closedByExec(fd: number): NamedRow {
  return row('fcntl', [fd, F_SETFD, FD_CLOEXEC], AT_PROCESS, { words: 'F_SETFD' })
}
