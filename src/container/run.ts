/** The foreground of `run`: passes signals on, reaps, and ends as the container does. */
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { becomeSubreaper, pidfdSendSignal, waitFor } from '../sys/process.ts'
import { blockOnly, nextSignal, relayable, SIG, signalfd } from '../sys/signal.ts'
import { pollIn } from '../sys/socket.ts'

/** Not passed on: children's ends are reaped, the others concern tsrun's own terminal and sockets. */
const KEPT: readonly number[] = [SIG.CHLD, SIG.WINCH, SIG.URG]

/** Holds back the signals that are for the container, from now on; read from the result. */
export function holdSignals(): Fd {
  const signals = relayable()
  blockOnly(signals)
  return signalfd(signals)
}

/** Makes orphans of the container children of this process; a kernel that refuses is a warning. */
export function adoptOrphans(log: Log): void {
  try {
    becomeSubreaper()
  } catch (error) {
    log.warning(messageOf(error))
  }
}

/** Something else to be done meanwhile. */
export interface Errand {
  /** What to wait for. */
  readonly fd: Fd
  /** Called when there is something to read. @returns false when all is done */
  proceed(): boolean
}

/**
 * Waits for the end of the container's first process.
 *
 * @param signals - of `holdSignals`
 * @returns its exit status, or 128 + the signal that killed it
 */
export function attend(pid: number, pidfd: Fd, signals: Fd, errand?: Errand): number {
  let open = errand
  for (;;) {
    const code = reap(pid)
    if (code !== undefined) return code
    const [, isOpenReady] = pollIn(open === undefined ? [signals] : [signals, open.fd])
    if (isOpenReady && open?.proceed() === false) open = undefined
    for (let signal = nextSignal(signals); signal !== undefined; signal = nextSignal(signals)) {
      passOn(pidfd, signal)
    }
  }
}

/** Reaps whoever has ended; the exit code of `pid` if it was among them. */
export function reap(pid: number): number | undefined {
  for (;;) {
    const ended = waitFor(-1, false)
    if (ended === undefined) return undefined
    if (ended.pid === pid) return ended.code
  }
}

/** Sends a signal to the container, if it is one for it; one that has ended is no error. */
export function passOn(pidfd: Fd, signal: number): void {
  if (KEPT.includes(signal)) return
  try {
    pidfdSendSignal(pidfd, signal)
  } catch (error) {
    if (!isErrno(error, E.SRCH)) throw error
  }
}
