/**
 * Carries bytes between the caller's standard streams and the master of a container's terminal.
 * Nothing waits here: what can wait is told to poll. The caller's own descriptors stay as they are,
 * for he shares them with others.
 */
import { isErrno, retry } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { addressOf, S } from '../sys/ffi.ts'
import { fstat, O, open, S_IF } from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'
import { POLL } from '../sys/socket.ts'
import { isTerminal } from '../sys/terminal.ts'

/** A pipe with room for anything takes this much at once. @see PIPE_BUF in pipe(7) */
const SIZE = 4096
const MSG_NOSIGNAL_DONTWAIT = 0x4040
/** How often the master is looked at while no process has the terminal open. */
const HANG_UP_MS = 50

/** Bytes that were read and are still to be written. */
class Pending {
  readonly #bytes = Buffer.alloc(SIZE)
  readonly #address = addressOf(this.#bytes)
  #start = 0
  #end = 0

  get isEmpty(): boolean {
    return this.#start === this.#end
  }

  /** Reads when empty. @returns the result of read(2) */
  fill(fd: Fd): number {
    const got = retry(() => S(NR.read, fd.number, this.#address, SIZE))
    this.#start = 0
    this.#end = Math.max(0, got)
    return got
  }

  /** @param write - as write(2) without its first argument; returns its result */
  flush(write: (address: number, length: number) => number): number {
    const length = this.#end - this.#start
    const sent = retry(() => write(this.#address + this.#start, length))
    if (sent > 0) this.#start += sent
    return sent
  }

  drop(): void {
    this.#start = this.#end
  }
}

/** True if a call would only have had to wait. */
function isLater(result: number): boolean {
  return result === -E.AGAIN
}

/**
 * The terminal behind a standard stream, opened once more without waiting; what is no terminal, or
 * may not be opened, as it is.
 */
function ownTerminal(stream: Fd, access: number): Fd {
  if (!isTerminal(stream)) return stream
  try {
    const flags = access | O.NOCTTY | O.NONBLOCK
    return open(undefined, `/proc/self/fd/${stream.number}`, flags)
  } catch (error) {
    if (isErrno(error, E.ACCES, E.PERM, E.NOENT, E.NXIO, E.IO)) return stream
    throw error
  }
}

export class TerminalRelay implements Disposable {
  /** Non-blocking. */
  readonly #master: Fd
  readonly #input: Fd
  readonly #output: Fd
  readonly #isSocket: boolean
  readonly #toMaster = new Pending()
  readonly #toOutput = new Pending()
  #inputEnded = false
  #outputBroken = false
  /** No process has the terminal open; one may open it again. */
  #hungUp = false

  /** @param master - non-blocking */
  constructor(master: Fd, input: Fd, output: Fd) {
    this.#master = master
    this.#input = ownTerminal(input, O.RDONLY)
    this.#output = ownTerminal(output, O.WRONLY)
    this.#isSocket = (fstat(output).mode & S_IF.MT) === S_IF.SOCK
  }

  /** What to poll for, each with its events. */
  wanted(): (readonly [Fd, number])[] {
    const wanted: (readonly [Fd, number])[] = []
    let events = 0
    if (!this.#toMaster.isEmpty) events |= POLL.OUT
    else if (!this.#inputEnded) wanted.push([this.#input, POLL.IN])
    if (this.#toOutput.isEmpty) events |= POLL.IN
    else wanted.push([this.#output, POLL.OUT])
    if (events !== 0 && !this.#hungUp) wanted.push([this.#master, events])
    return wanted
  }

  /** How long to poll at most, in ms; undefined: for ever. */
  get timeoutMs(): number | undefined {
    return this.#hungUp ? HANG_UP_MS : undefined
  }

  /** Carries what can be carried now; `ready` says which of `wanted()` have events. */
  move(ready: (fd: Fd) => boolean): void {
    this.#moveInput(ready)
    this.#moveOutput(ready)
  }

  #moveInput(ready: (fd: Fd) => boolean): void {
    if (this.#toMaster.isEmpty && !this.#inputEnded && ready(this.#input)) {
      const got = this.#toMaster.fill(this.#input)
      // of a terminal that is gone, or whose foreground is another process group
      if (got <= 0 && !isLater(got)) this.#inputEnded = true
    }
    if (this.#toMaster.isEmpty) return
    const sent = this.#toMaster.flush((address, length) =>
      S(NR.write, this.#master.number, address, length),
    )
    if (sent < 0 && !isLater(sent)) this.#toMaster.drop()
  }

  #moveOutput(ready: (fd: Fd) => boolean): void {
    if (!this.#toOutput.isEmpty) {
      if (ready(this.#output)) this.#write()
      return
    }
    const got = this.#toOutput.fill(this.#master)
    this.#hungUp = got <= 0 && !isLater(got)
    // whoever writes in the container must not wait for a reader who is gone
    if (this.#outputBroken) this.#toOutput.drop()
  }

  #write(): void {
    const { number } = this.#output
    const sent = this.#toOutput.flush((address, length) =>
      this.#isSocket
        ? S(NR.sendto, number, address, length, MSG_NOSIGNAL_DONTWAIT)
        : S(NR.write, number, address, length),
    )
    if (sent >= 0 || isLater(sent)) return
    this.#outputBroken = true
    this.#toOutput.drop()
  }

  /**
   * True when all that was written to the terminal is out, given that nobody writes any more. Input
   * that nobody has read is forgotten.
   */
  isDrained(): boolean {
    this.#inputEnded = true
    this.#toMaster.drop()
    if (this.#outputBroken) return true
    if (!this.#toOutput.isEmpty) return false
    return this.#toOutput.fill(this.#master) <= 0
  }

  [Symbol.dispose](): void {
    // the standard streams are the caller's
    for (const fd of [this.#input, this.#output]) if (fd.number > 2) fd.close()
  }
}
