/** Who gets the terminal of a container's process: a socket of the caller's, or tsrun itself. */
import { ContainerError } from '../base/errors.ts'
import type { ConsoleHandOver } from '../init/inheritance.ts'
import type { ForegroundTerminal } from './foreground-terminal.ts'

/** What the caller and the configuration say. */
export interface ConsoleOptions {
  /** `process.terminal`. */
  readonly hasTerminal: boolean
  /** tsrun ends before the process does. */
  readonly isDetached: boolean
  /** --console-socket; empty is none. */
  readonly socket: string | undefined
}

/** For a process with a terminal. */
export interface Console {
  /** For the process. Its sink is to be closed once there is one. */
  readonly handOver: ConsoleHandOver
  /** For tsrun, if it stays in the foreground. */
  readonly foreground: ForegroundTerminal | undefined
}

/**
 * Prepares the terminal of a process that is going to be made; nothing is made yet.
 *
 * @returns undefined for a process without a terminal
 * @throws {ContainerError} in runc's words if the options contradict each other; {SyscallError} if
 *   nobody listens on the socket, or tsrun has no terminal either
 */
export async function openConsole(options: ConsoleOptions): Promise<Console | undefined> {
  const { hasTerminal, isDetached, socket = '' } = options
  if (isDetached && hasTerminal && socket === '') {
    throw new ContainerError(
      'failed',
      'cannot allocate tty if runc will detach without setting console socket',
    )
  }
  if (socket !== '' && (!isDetached || !hasTerminal)) {
    throw new ContainerError(
      'failed',
      'cannot use console socket if runc will not detach or allocate tty',
    )
  }
  if (!hasTerminal) return undefined
  const { setUpConsole: setUp } = await import('../init/console.ts')
  if (socket !== '') {
    const { connectUnix } = await import('../sys/unix-socket.ts')
    return { handOver: { sink: connectUnix(socket), setUp }, foreground: undefined }
  }
  const { ForegroundTerminal } = await import('./foreground-terminal.ts')
  const foreground = new ForegroundTerminal()
  return { handOver: { sink: foreground.sink, setUp }, foreground }
}
