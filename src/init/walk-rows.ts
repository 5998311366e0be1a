/**
 * The last-exec stub's table, walked in JavaScript: for hosts where a memfd may not be executed
 * (vm.memfd_noexec=2), and for containers with hooks that run just before the program. The process
 * then is a copy of the engine until its execve; the engine runs from a read-only mount, so that is
 * safe, but costs memory while it waits.
 */

import { ROW_SIZE, ROWS } from '../stub/last-exec-layout.ts'
import { type Arg, EXIT_ON_SIGNAL, type Program, type Row } from '../stub/program.ts'
import { errnoText } from '../sys/errno.ts'
import { Fd } from '../sys/fd.ts'
import { addressOf, S } from '../sys/ffi.ts'
import { NR } from '../sys/numbers.ts'
import { exit } from '../sys/process.ts'
import { blockOnly, nextSignal, signalfd } from '../sys/signal.ts'
import { pollIn } from '../sys/socket.ts'

const FAILED = 255
const SIGNALLED = 128
const STDERR = 2

/** Memory that arguments point to: nothing is freed before the execve. */
const held: Uint8Array[] = []

function place(bytes: Uint8Array): number {
  held.push(bytes)
  return addressOf(bytes)
}

function words(values: readonly (number | bigint)[]): Uint8Array {
  const bytes = new Uint8Array(Math.max(8, values.length * 8))
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => {
    view.setBigUint64(i * 8, BigInt.asUintN(64, BigInt(value)), true)
  })
  return bytes
}

function placeString(string: string): number {
  return place(Buffer.from(`${string}\0`))
}

function addressable(arg: Arg): number {
  if (typeof arg === 'number') return arg
  if (typeof arg === 'bigint') return Number(BigInt.asIntN(64, arg))
  if ('bytes' in arg) return place(arg.bytes)
  if ('string' in arg) return placeString(arg.string)
  if ('strings' in arg) return place(words([...arg.strings.map(placeString), 0]))
  if ('words' in arg) return place(words(arg.words.map((word) => wordOf(word))))
  throw new Error('there is no signal handler outside of the stub')
}

function wordOf(arg: Arg): number | bigint {
  return typeof arg === 'bigint' ? arg : addressable(arg)
}

/**
 * Makes the calls of `program` in order; ends in its execve or in exit.
 *
 * @param beforeExec - called before the last row; does not throw
 */
export function walkRows(program: Program, beforeExec?: () => void): never {
  const deadly: number[] = []
  // as the stub does: in between a seccomp filter may refuse what allocating memory takes
  const placed = program.rows.map((row) =>
    // the handler is code of the stub's
    row.args.includes(EXIT_ON_SIGNAL) ? undefined : row.args.map(addressable),
  )
  program.rows.forEach((row, index) => {
    if (row.mode === 'final') beforeExec?.()
    const args = placed[index]
    if (args === undefined) {
      deadly.push(row.args[0] as number)
      return
    }
    if (row.mode === 'fatal-or-zero') awaitOrDie(row.args[0] as number, deadly)
    const [a, b, c, d, e, f] = args
    const result = S(row.nr, a, b, c, d, e, f)
    judge(program, row, index, result)
    const later = row.dst && placed[row.dst.row]
    if (row.dst && later && result >= 0) later[row.dst.arg] = result
  })
  return exit(FAILED)
}

/** Waits for input, or ends as the stub's handler does. */
function awaitOrDie(input: number, deadly: readonly number[]): void {
  blockOnly(deadly)
  const signals = signalfd(deadly)
  let isReady = false
  while (!isReady) {
    const [events = 0] = pollIn([new Fd(input, 'fifo'), signals])
    const signal = nextSignal(signals)
    if (signal !== undefined) exit(SIGNALLED + signal)
    isReady = events !== 0
  }
  signals.close()
  blockOnly([])
}

function judge(program: Program, row: Row, index: number, result: number): void {
  if (row.mode === 'fork' ? result === 0 : result > 0) return
  if (result === 0 && row.mode !== 'fatal-or-zero') return
  if (row.mode === 'ignore') return
  if (row.mode === 'final') {
    const line = Buffer.from(`${program.execFailurePrefix}${errnoText(-result)}\n`)
    S(NR.write, STDERR, place(line), line.length)
    exit(FAILED)
  }
  const record = words([ROWS + index * ROW_SIZE, result])
  S(NR.write, program.reportFd, place(record), record.length)
  if (row.mode !== 'warn') exit(FAILED)
}
