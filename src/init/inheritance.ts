import type { NamespaceToJoin } from '../plan/namespaces.ts'
import type { Filter } from '../plan/seccomp.ts'
import type { Fd } from '../sys/fd.ts'
import type { setUpConsole } from './console.ts'

/** Who gets the master of the process's terminal, and what makes that, loaded before the clone. */
export interface ConsoleHandOver {
  /** A connected socket. */
  readonly sink: Fd
  readonly setUp: typeof setUpConsole
}

/** What the child takes over from the process it is a copy of. */
export interface Inheritance {
  readonly sync: Fd
  /** The container waits for a byte here before its program runs. */
  readonly fifo: Fd
  /** cgroup.procs files to enter by writing to them. */
  readonly membership: readonly Fd[]
  /** tsrun puts it into its cgroups, which it waits for at once. */
  readonly isPlaced: boolean
  /** Namespaces to join, in order, each with its descriptor. */
  readonly namespaces: readonly { readonly join: NamespaceToJoin; readonly fd: Fd }[]
  /** Descriptors that mean something to tsrun alone: closed at once. */
  readonly close: readonly Fd[]
  /** Of a process that wants a terminal. */
  readonly console?: ConsoleHandOver | undefined
  /** Of a plan with seccomp. */
  readonly filter?: Filter | undefined
  /** How long each step takes is told, too. */
  readonly timed: boolean
  /** RLIMIT_NOFILE as the caller had it: the engine raises its own. */
  readonly callerNofile: readonly [soft: bigint, hard: bigint]
}
