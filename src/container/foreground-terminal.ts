/** The foreground of `run` and `exec` for a process with a terminal. Loaded only for one. */
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { Fd, setNonblocking } from '../sys/fd.ts'
import { O, open } from '../sys/file.ts'
import { blockOnly, nextSignal, relayable, SIG } from '../sys/signal.ts'
import { POLL, poll, seqpacketPair } from '../sys/socket.ts'
import {
  getTermios,
  isTerminal,
  rawInput,
  setTerminalSize,
  setTermios,
  type Termios,
  terminalSize,
  withoutNewlineMapping,
} from '../sys/terminal.ts'
import { receiveDescriptors } from '../sys/unix-socket.ts'
import { type Errand, passOn, reap } from './run.ts'
import { TerminalRelay } from './terminal-relay.ts'

const [STDIN, STDOUT, STDERR] = [0, 1, 2].map(
  (number) => new Fd(number, `descriptor ${number}`),
) as [Fd, Fd, Fd]

/** Ends the wait for a reader of the last output. */
const DEADLY: readonly number[] = [SIG.HUP, SIG.INT, SIG.QUIT, SIG.TERM]
/** What a shell stops a background process by when it uses the terminal. */
const JOB_CONTROL: readonly number[] = [SIG.TTIN, SIG.TTOU]

/**
 * The caller's terminal while it stands for the terminal of a container's process: as it was before
 * when disposed.
 */
export class ForegroundTerminal implements Disposable {
  /** For the process, which sends its master there. */
  readonly sink: Fd
  readonly #link: Fd
  /** The caller's terminal, wherever there is one. */
  readonly #host: Fd
  #master: Fd | undefined
  #saved: Termios | undefined

  /** @throws {SyscallError} ENXIO if this process has no terminal at all, as runc says it */
  constructor() {
    const streams = [STDERR, STDOUT, STDIN]
    this.#host = streams.find(isTerminal) ?? open(undefined, '/dev/tty', O.RDWR | O.NOCTTY)
    const [link, sink] = seqpacketPair(['console', 'console (child)'])
    this.#link = link
    this.sink = sink
  }

  /**
   * Takes the master that the process has sent, gives it the size of the caller's terminal, and
   * has that pass on every key, if it is the standard input.
   */
  begin(): void {
    const { fds } = receiveDescriptors(this.#link)
    this.#link.close()
    const [master] = fds
    if (master === undefined) throw new Error('the container has sent no terminal')
    this.#master = master
    setNonblocking(master)
    // the caller's terminal does that
    setTermios(master, withoutNewlineMapping(getTermios(master)))
    this.#resize()
    if (!isTerminal(STDIN)) return
    // in the background this process is stopped here until it is brought to the foreground
    blockOnly(relayable().filter((signal) => !JOB_CONTROL.includes(signal)))
    const saved = getTermios(STDIN)
    setTermios(STDIN, rawInput(saved))
    this.#saved = saved
  }

  /** A terminal that does not know its size leaves the other as it is. */
  #resize(): void {
    if (this.#master === undefined) return
    try {
      const size = terminalSize(this.#host)
      if (size.height !== 0 || size.width !== 0) setTerminalSize(this.#master, size)
    } catch (error) {
      // it is gone
      if (!isErrno(error, E.IO, E.NOTTY)) throw error
    }
  }

  /**
   * Carries input and output, and signals, until the process has ended and its output is out.
   *
   * @param signals - of `holdSignals`
   * @returns as `attend` of run.ts
   */
  attend(pid: number, pidfd: Fd, signals: Fd, errand?: Errand): number {
    if (this.#master === undefined) throw new Error('there is no terminal')
    using relay = new TerminalRelay(this.#master, STDIN, STDOUT)
    let open = errand
    const onSignal = (signal: number): void => {
      if (signal === SIG.WINCH) this.#resize()
      else passOn(pidfd, signal)
    }
    let code = reap(pid)
    for (; code === undefined; code = reap(pid)) {
      const ready = wait(relay, signals, onSignal, open?.fd)
      if (open !== undefined && ready(open.fd) && !open.proceed()) open = undefined
    }
    let isImpatient = false
    while (!relay.isDrained() && !isImpatient) {
      wait(relay, signals, (signal) => {
        if (DEADLY.includes(signal)) isImpatient = true
      })
    }
    return code
  }

  /** Gives the caller its terminal back as it was. */
  [Symbol.dispose](): void {
    if (this.#saved !== undefined) {
      // from the background, too
      blockOnly(relayable())
      try {
        setTermios(STDIN, this.#saved)
      } catch {
        // it is gone
      }
      this.#saved = undefined
    }
    for (const fd of [this.sink, this.#link, this.#master]) fd?.close()
    if (this.#host.number > STDERR.number) this.#host.close()
  }
}

/** Waits until something happens, and does what there is to do. @returns what had events */
function wait(
  relay: TerminalRelay,
  signals: Fd,
  onSignal: (signal: number) => void,
  other?: Fd,
): (fd: Fd) => boolean {
  const wanted: (readonly [Fd, number])[] = [[signals, POLL.IN], ...relay.wanted()]
  if (other !== undefined) wanted.push([other, POLL.IN])
  const events = poll(wanted, relay.timeoutMs)
  const ready = (fd: Fd): boolean => wanted.some(([one], i) => one === fd && events[i] !== 0)
  for (let signal = nextSignal(signals); signal !== undefined; signal = nextSignal(signals)) {
    onSignal(signal)
  }
  relay.move(ready)
  return ready
}
