/** Hands a pidfd of a container's process to who listens for it. */
import { ContainerError } from '../base/errors.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { NR } from '../sys/numbers.ts'
import { connectUnix, sendDescriptors } from '../sys/unix-socket.ts'

/** Which process it is: the container's first one, or one that has joined it. */
export type PidfdKind = 'standard' | 'setns'

/** A connection to the socket of --pidfd-socket. */
export class PidfdSocket implements Disposable {
  readonly #socket: Fd

  /**
   * Connects to it.
   *
   * @param path - of a listening stream socket, relative to the working directory
   * @throws {SyscallError} if nobody listens; {ContainerError} on kernels whose pidfds do not do
   */
  constructor(path: string) {
    if (S(NR.pidfd_open, S(NR.getpid), -1) === -E.NOSYS) {
      throw new ContainerError('failed', '--pidfd-socket requires >= v5.3 kernel')
    }
    this.#socket = connectUnix(path)
  }

  /** Sends one message, and no more: the connection is closed. @throws {SyscallError} EPIPE */
  send(pidfd: Fd, kind: PidfdKind): void {
    sendDescriptors(this.#socket, Buffer.from(kind), [pidfd])
    this.#socket.close()
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}
