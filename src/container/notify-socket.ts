/**
 * Tells the service manager that has started tsrun (systemd, for a unit of Type=notify) when a
 * container is ready. The container's program says so on a socket of its own, in the state directory;
 * the manager would not listen to it, for it knows tsrun alone.
 *
 * @see sd_notify(3)
 */
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { NOTIFY_SOCKET } from '../plan/hand-over.ts'
import { check, isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { type Fd, pipe } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { chmod, mkdir, O, open, unlink } from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'
import { pollIn, receive, send } from '../sys/socket.ts'
import { bindUnix, connectUnix, sendDescriptors } from '../sys/unix-socket.ts'
import type { Store } from './store.ts'

const DIRECTORY = 'notify'
/** Any user of the container may enter it. */
const DIRECTORY_MODE = 0o755
/** How long the manager may take to have read all, in ms. */
const BARRIER_LIMIT_MS = 30_000

/** The directory for the socket of container `id`, which the container sees as well. */
export function notifyDirectory(root: string, id: string): string {
  return `${root}/${id}/${DIRECTORY}`
}

/** Makes that directory. */
export function makeNotifyDirectory({ dir }: Store): void {
  mkdir(dir, DIRECTORY, DIRECTORY_MODE)
  using made = open(dir, DIRECTORY, O.RDONLY | O.DIRECTORY | O.NOFOLLOW)
  // whatever the caller's umask
  chmod(made, DIRECTORY_MODE)
}

/** The way of one READY=1: from the container to tsrun, from tsrun to the manager, and understood. */
export class NotifyRelay implements Disposable {
  readonly #manager: Fd
  readonly #log: Log
  /** The process that the manager is to watch from then on. */
  readonly #mainPid: number
  #socket: Fd
  #barrier: Fd | undefined

  /**
   * Opens the container's socket, and connects to the manager's.
   *
   * @param manager - NOTIFY_SOCKET of tsrun's own environment
   * @throws {SyscallError} ENOENT also when the container was created without
   */
  constructor(store: Store, manager: string, mainPid: number, log: Log) {
    this.#manager = connectUnix(manager, 'datagram')
    this.#mainPid = mainPid
    this.#log = log
    try {
      this.#socket = bindIn(store)
    } catch (error) {
      this.#manager.close()
      throw error
    }
  }

  /** What to poll before the next `proceed`. */
  get fd(): Fd {
    return this.#barrier ?? this.#socket
  }

  /**
   * Takes what there is. Failures are warnings: the container runs on.
   *
   * @returns false when there is nothing more to do
   */
  proceed(): boolean {
    if (this.#barrier !== undefined) return this.#end()
    try {
      const ready = readyLine(receive(this.#socket))
      if (ready === undefined) return true
      this.#tell(ready)
      return true
    } catch (error) {
      this.#log.warning(`unable to notify the service manager: ${messageOf(error)}`)
      return this.#end()
    }
  }

  /** Waits until the manager knows that the container is ready, or until its first process ends. */
  finish(pidfd: Fd): void {
    for (let goesOn = true; goesOn; ) {
      if (this.#barrier === undefined) {
        const [said, ended] = pollIn([this.#socket, pidfd])
        if (said) goesOn = this.proceed()
        else if (ended) goesOn = this.#end()
      } else {
        this.#awaitBarrier(this.#barrier)
        goesOn = this.#end()
      }
    }
  }

  [Symbol.dispose](): void {
    this.#end()
  }

  /** Nothing more is taken from the container: who sends then is told that nobody listens. */
  #tell(ready: string): void {
    this.#socket.close()
    send(this.#manager, Buffer.from(`${ready}\n`))
    send(this.#manager, Buffer.from(`MAINPID=${this.#mainPid}\n`))
    const [reader, writer] = pipe()
    this.#barrier = reader
    using sent = writer
    sendDescriptors(this.#manager, Buffer.from('BARRIER=1'), [sent])
  }

  /** The manager closes its end of the pipe once it has read what came before. */
  #awaitBarrier(barrier: Fd): void {
    const deadline = performance.now() + BARRIER_LIMIT_MS
    for (;;) {
      const rest = deadline - performance.now()
      if (rest <= 0) break
      if (pollIn([barrier], rest)[0] !== 0) return
    }
    this.#log.warning(`the service manager has not answered in ${BARRIER_LIMIT_MS / 1000} s`)
  }

  #end(): false {
    for (const fd of [this.#socket, this.#manager, this.#barrier]) fd?.close()
    return false
  }
}

function bindIn({ dir }: Store): Fd {
  const name = `${DIRECTORY}/${NOTIFY_SOCKET}`
  try {
    unlink(dir, name)
  } catch (error) {
    if (!isErrno(error, E.NOENT)) throw error
  }
  const umask = check('umask', '', S(NR.umask, 0))
  try {
    return bindUnix(`/proc/self/fd/${dir.number}/${name}`, 'datagram')
  } finally {
    S(NR.umask, umask)
  }
}

/** `READY=1`, if it is among the lines of a datagram. */
function readyLine(datagram: Uint8Array): string | undefined {
  const lines = new TextDecoder().decode(datagram).split('\n')
  return lines.find((line) => line.startsWith('READY='))
}
