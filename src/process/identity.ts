/** Which process a number means: numbers are reused, start times tell (threat T-32). */
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { readFile } from '../sys/file.ts'
import { pidfdOpen } from '../sys/process.ts'

interface ProcessStat {
  /** `R`, `S`, `Z` ... of proc_pid_stat(5). */
  readonly state: string
  /** Clock ticks since boot. */
  readonly startTime: number
}

function processStat(pid: number): ProcessStat | undefined {
  let text: string
  try {
    text = readFile(undefined, `/proc/${pid}/stat`)
  } catch (error) {
    if (isErrno(error, E.NOENT, E.SRCH)) return undefined
    throw error
  }
  // the command name, which may hold anything, is in parentheses
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0] ?? '', startTime: Number(fields[19]) }
}

/** When process `pid` began, in clock ticks since boot; 0 if there is none. */
export function startTimeOf(pid: number): number {
  return pid === 0 ? 0 : (processStat(pid)?.startTime ?? 0)
}

/** True if `pid` is still the process that began at `startTime`, and has not ended. */
export function isAlive(pid: number, startTime: number): boolean {
  if (pid <= 0) return false
  const found = processStat(pid)
  return (
    found !== undefined &&
    found.startTime === startTime &&
    found.state !== 'Z' &&
    found.state !== 'X'
  )
}

/** A pidfd of exactly that process; undefined if it has ended. */
export function pidfdOf(pid: number, startTime: number): Fd | undefined {
  if (pid <= 0) return undefined
  let pidfd: Fd
  try {
    pidfd = pidfdOpen(pid)
  } catch (error) {
    if (isErrno(error, E.SRCH)) return undefined
    throw error
  }
  // looked at while the descriptor is held: the number cannot change its meaning in between
  if (isAlive(pid, startTime)) return pidfd
  pidfd.close()
  return undefined
}
