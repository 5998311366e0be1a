/**
 * The last-exec stub's table, walked in JavaScript: for hosts where a memfd may not be executed
 * (vm.memfd_noexec=2), and for containers with hooks that run just before the program. The process
 * then is a copy of the engine until its execve; the engine runs from a read-only mount, so that is
 * safe, but costs memory while it waits.
 */

import { letsThrough } from '../seccomp/run-filter.ts'
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
 * @param prepare - called before the first row; what it returns, before the last, and does not throw
 */
export function walkRows(program: Program, prepare: () => (() => void) | undefined): never {
  // as the stub does: in between a seccomp filter may refuse what allocating memory takes
  const placed = program.rows.map((row) => (hasHandler(row) ? [] : row.args.map(addressable)))
  // and so with this
  const end = watch(program)
  const beforeExec = prepare()
  program.rows.forEach((row, index) => {
    const args = placed[index]
    if (args === undefined || hasHandler(row)) return
    if (row.mode === 'final') beforeExec?.()
    if (row.mode === 'fatal-or-zero') end?.orInput(row.args[0] as number)
    if (row === end?.last) end.close()
    const [a, b, c, d, e, f] = args
    const result = S(row.nr, a, b, c, d, e, f)
    judge(program, row, index, result)
    const later = row.dst && placed[row.dst.row]
    if (row.dst && later && result >= 0) later[row.dst.arg] = result
  })
  return exit(FAILED)
}

/** The handler is code of the stub's; here `watch` takes its place. */
function hasHandler(row: Row): boolean {
  return row.args.includes(EXIT_ON_SIGNAL)
}

/** The signals that end the process while it waits. */
interface Watch {
  /** The row of the last wait. */
  readonly last: Row | undefined
  /** Waits for input, or ends as the stub's handler does. */
  orInput(input: number): void
  close(): void
}

/**
 * Has signals end the process, which as the first of a pid namespace would not hear them. A filter
 * that would not let that happen is respected: what remains then is SIGKILL.
 */
function watch(program: Program): Watch | undefined {
  const deadly = program.rows.filter(hasHandler).map(({ args }) => args[0] as number)
  if (deadly.length === 0 || !letWatch(program)) return undefined
  blockOnly(deadly)
  const signals = signalfd(deadly)
  return {
    last: program.rows.findLast(({ mode }) => mode === 'fatal-or-zero'),
    orInput(input) {
      for (;;) {
        const [events = 0] = pollIn([new Fd(input, 'fifo'), signals])
        const signal = nextSignal(signals)
        if (signal !== undefined) exit(SIGNALLED + signal)
        if (events !== 0) return
      }
    },
    close() {
      signals.close()
      blockOnly([])
    },
  }
}

function letWatch({ rows }: Program): boolean {
  const filter = rows.find(({ nr }) => nr === NR.seccomp)?.args[2]
  if (typeof filter !== 'object' || !('words' in filter)) return true
  const program = filter.words.find((word) => typeof word === 'object' && 'bytes' in word)
  if (typeof program !== 'object' || !('bytes' in program)) return true
  const calls = [NR.ppoll, NR.read, NR.close, NR.rt_sigprocmask]
  return calls.every((nr) => letsThrough(program.bytes, nr, []))
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
