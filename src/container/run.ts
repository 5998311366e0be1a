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

/**
 * Waits for the end of the container's first process.
 *
 * @param signals - of `holdSignals`
 * @returns its exit status, or 128 + the signal that killed it
 */
export function attend(pid: number, pidfd: Fd, signals: Fd): number {
  for (;;) {
    const code = reap(pid)
    if (code !== undefined) return code
    pollIn([signals])
    for (let signal = nextSignal(signals); signal !== undefined; signal = nextSignal(signals)) {
      if (!KEPT.includes(signal)) pass(pidfd, signal)
    }
  }
}

/** Reaps whoever has ended; the exit code of `pid` if it was among them. */
function reap(pid: number): number | undefined {
  for (;;) {
    const ended = waitFor(-1, false)
    if (ended === undefined) return undefined
    if (ended.pid === pid) return ended.code
  }
}

function pass(pidfd: Fd, signal: number): void {
  try {
    pidfdSendSignal(pidfd, signal)
  } catch (error) {
    if (!isErrno(error, E.SRCH)) throw error
  }
}
