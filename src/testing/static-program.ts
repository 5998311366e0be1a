/** Programs for containers that make a few system calls, without a compiler. */
import { buildLastExec } from '../stub/last-exec.ts'
import type { Arg, Row } from '../stub/program.ts'
import { NR, type SyscallName } from '../sys/numbers.ts'

const MACHINE = process.arch === 'arm64' ? 'aarch64' : 'x86-64'
const STDERR = 2

/** A call of a static program; `dst` is where its result goes. */
export function call(name: SyscallName, args: readonly Arg[], dst?: Row['dst']): Row {
  return { nr: NR[name], args, mode: 'fatal', ...(dst && { dst }) }
}

/** A static program; it exits with 0, or with 255 at the first call that fails. */
export function image(rows: readonly Row[]): Uint8Array {
  const all = [...rows, call('exit_group', [0])]
  return buildLastExec(MACHINE, { rows: all, reportFd: STDERR, execFailurePrefix: '' })
}
