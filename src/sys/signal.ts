import { check } from './check.ts'
import { Fd } from './fd.ts'
import { S } from './ffi.ts'
import { alloc, at, put64, view } from './memory.ts'
import { NR } from './numbers.ts'

/** Signal numbers, the same on x86-64 and aarch64. @see signal(7) */
export const SIG = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  PWR: 30,
  SYS: 31,
} as const

const LAST_SIGNAL = 64
const SIGSET_SIZE = 8
const SIG_SETMASK = 2

/** Sets one signal to its default action. @see rt_sigaction(2) */
export function setDefault(signal: number): void {
  // struct sigaction of the kernel: handler, flags, restorer (x86-64), mask: all zero
  S(NR.rt_sigaction, signal, at(alloc(32)), 0, SIGSET_SIZE)
}

/** Sets every signal to its default action. */
export function setAllDefault(): void {
  const action = at(alloc(32))
  for (let signal = 1; signal <= LAST_SIGNAL; signal++) {
    if (signal !== SIG.KILL && signal !== SIG.STOP) {
      S(NR.rt_sigaction, signal, action, 0, SIGSET_SIZE)
    }
  }
}

/** A set of signals as the kernel has it: bit N-1 for signal N, in two halves. */
function putSet(signals: readonly number[]): number {
  const set = alloc(SIGSET_SIZE)
  for (const signal of signals) {
    const half = set + (signal > 32 ? 4 : 0)
    view.setUint32(half, view.getUint32(half, true) | (1 << ((signal - 1) & 31)), true)
  }
  return at(set)
}

/** Blocks exactly `signals`. @see rt_sigprocmask(2) */
export function blockOnly(signals: readonly number[]): void {
  check('rt_sigprocmask', '', S(NR.rt_sigprocmask, SIG_SETMASK, putSet(signals), 0, SIGSET_SIZE))
}

/**
 * Every signal that can be blocked and passed on. Those that the kernel raises for a fault end a
 * process that blocks them, as they should; those that the engine and the C library use to speak to
 * their threads, they do not use in a process that has one.
 */
export function relayable(): number[] {
  const signals: number[] = []
  for (let signal = 1; signal <= LAST_SIGNAL; signal++) {
    if (signal !== SIG.KILL && signal !== SIG.STOP) signals.push(signal)
  }
  return signals
}

const SFD_CLOEXEC = 0o2000000
const SFD_NONBLOCK = 0o4000

/** A descriptor from which `signals`, which must be blocked, are read. @see signalfd(2) */
export function signalfd(signals: readonly number[]): Fd {
  const flags = SFD_CLOEXEC | SFD_NONBLOCK
  const result = S(NR.signalfd4, -1, putSet(signals), SIGSET_SIZE, flags)
  return new Fd(check('signalfd4', '', result), 'signalfd')
}

/** The next signal number from a signalfd, or undefined when there is none. */
export function nextSignal(fd: Fd): number | undefined {
  const info = alloc(128)
  return S(NR.read, fd.number, at(info), 128) === 128 ? view.getUint32(info, true) : undefined
}

/** Milliseconds asleep; a signal ends it early. */
export function sleepMs(ms: number): void {
  const time = alloc(16)
  put64(time, Math.floor(ms / 1000))
  put64(time + 8, (ms % 1000) * 1_000_000)
  S(NR.clock_nanosleep, 1, 0, at(time), 0)
}
