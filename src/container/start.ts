/** Lets a created container's program run. */
import { ContainerError } from '../base/errors.ts'
import { pidfdOf } from '../process/identity.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { writeAll } from '../sys/file.ts'
import { statusOf } from './status.ts'
import { Store } from './store.ts'

const NOT_READY =
  'exec fifo is empty: container init did not signal execve readiness (process died before writing, or fifo already consumed)'

/**
 * Starts container `id`.
 *
 * @throws {ContainerError} unless it is created; then nothing has changed (M-032)
 */
export function startContainer(root: string, id: string): void {
  using store = Store.lock(root, id)
  const state = store.read()
  const status = statusOf(store, state)
  if (status === 'stopped') refuse('cannot start a container that has stopped')
  if (status === 'running') refuse('cannot start an already running container')
  if (status === 'paused') refuse('cannot start a container in the paused state')
  using pidfd = pidfdOf(state.pid, state.startTime)
  if (pidfd === undefined) throw new ContainerError('failed', NOT_READY)
  using fifo = openFifo(store)
  release(store, fifo)
}

/** Gives the waiting process its byte; from then on the container is running. */
export function release(store: Store, fifo: Fd): void {
  store.removeFifo()
  writeAll(fifo, '0')
}

function openFifo(store: Store): Fd {
  try {
    return store.openFifo()
  } catch (error) {
    if (!isErrno(error, E.NXIO)) throw error
    throw new ContainerError('failed', NOT_READY)
  }
}

function refuse(message: string): never {
  throw new ContainerError('wrong-status', message)
}
