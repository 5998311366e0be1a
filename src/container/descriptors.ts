/** The caller's descriptors that a container's program gets: of socket activation, and --preserve-fds. */
import { check, failure } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { S } from '../sys/ffi.ts'
import { NR } from '../sys/numbers.ts'

/** The first descriptor that is not a standard stream. */
const FIRST = 3
const F_GETFD = 1

/** Descriptors that a program gets at the numbers that they have here, from 3 on. */
export interface PassedDescriptors {
  readonly count: number
  /** Variables that tell the program of those that are sockets of systemd's; empty if none is. */
  readonly env: readonly string[]
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Decides what is passed on: the sockets of an activation that is meant for this very process, then
 * `preserved` others.
 *
 * @param preserved - as --preserve-fds has it; a negative number is 0
 * @param env - tsrun's own
 * @throws {Error} naming the first descriptor that the caller has not opened
 * @see sd_listen_fds(3)
 */
export function passedDescriptors(preserved: number, env: Environment): PassedDescriptors {
  const sockets = activatedSockets(env)
  const end = firstFree(env)
  if (FIRST + sockets > end) throw new Error(`LISTEN_FDS is ${sockets}: ${missing(end)}`)
  return {
    count: sockets + preservedDescriptors(preserved, env, sockets),
    env: sockets === 0 ? [] : activationVariables(sockets, env.LISTEN_FDNAMES),
  }
}

/**
 * How many descriptors --preserve-fds passes on, which the caller must have opened. For a process
 * that joins a container this is all.
 *
 * @param sockets - how many of others come first
 * @throws {Error} naming the first that is not there
 */
export function preservedDescriptors(preserved: number, env: Environment, sockets = 0): number {
  const first = FIRST + sockets
  const end = firstFree(env)
  if (first + preserved <= end) return Math.max(0, preserved)
  throw new Error(`unable to stat preserved-fd ${end - first} (of ${preserved}): ${missing(end)}`)
}

/** How many sockets systemd has opened for this process; 0 if the variables are meant for another. */
function activatedSockets(env: Environment): number {
  if (decimal(env.LISTEN_PID) !== S(NR.getpid)) return 0
  return Math.max(0, decimal(env.LISTEN_FDS) ?? 0)
}

function decimal(text: string | undefined): number | undefined {
  return text !== undefined && /^[+-]?\d{1,9}$/.test(text) ? Number(text) : undefined
}

/** Names that are not one a socket would make sd_listen_fds_with_names(3) fail. */
function activationVariables(sockets: number, names: string | undefined): string[] {
  const fit = names !== undefined && names.split(':').length === sockets
  // the process writes its own number there; 1 is right but in a shared pid namespace
  return [`LISTEN_FDS=${sockets}`, 'LISTEN_PID=1', ...(fit ? [`LISTEN_FDNAMES=${names}`] : [])]
}

/**
 * The lowest number that was free when the caller executed tsrun. The engine takes numbers from there
 * on for itself, so it is the launcher that knows; without it, the first that is closed now.
 */
function firstFree({ TSRUN_FREE }: Environment): number {
  if (TSRUN_FREE !== undefined) return Number.parseInt(TSRUN_FREE, 16)
  let number = FIRST
  while (S(NR.fcntl, number, F_GETFD) >= 0) number++
  return number
}

function missing(number: number): string {
  return failure('stat', `/proc/self/fd/${number}`, -E.NOENT).message
}

/** Closes tsrun's own copies: a pipe or socket among them ends when the container closes it. */
export function closePassed(count: number): void {
  for (let number = FIRST; number < FIRST + count; number++) {
    check('close', `descriptor ${number}`, S(NR.close, number))
  }
}
