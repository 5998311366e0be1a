/** Lets a created container's program run. */
import { ContainerError, messageOf, StepError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { ContainerPlan } from '../plan/container-plan.ts'
import type { HookPlan } from '../plan/hooks.ts'
import { pidfdOf } from '../process/identity.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { readableBytes, readText, writeAll } from '../sys/file.ts'
import { pidfdSendSignal } from '../sys/process.ts'
import { SIG, sleepMs } from '../sys/signal.ts'
import { POLL, pollIn } from '../sys/socket.ts'
import { awaitExecuted, duringInit } from './await-ready.ts'
import type { Created } from './create.ts'
import { keptHooks, runRuntimeHooks } from './hooks.ts'
import type { NotifyRelay } from './notify-socket.ts'
import type { State } from './state.ts'
import { statusOf } from './status.ts'
import { Store } from './store.ts'

const NOT_READY =
  'exec fifo is empty: container init did not signal execve readiness (process died before writing, or fifo already consumed)'

export interface StartOptions {
  /** The socket of a service manager that waits until the container is ready, if there is one. */
  readonly manager: string | undefined
  readonly log: Log
}

/**
 * Starts container `id`.
 *
 * @throws {ContainerError} unless it is created; then nothing has changed (M-032)
 */
export async function startContainer(
  root: string,
  id: string,
  { manager, log }: StartOptions,
): Promise<void> {
  using store = Store.lock(root, id)
  const state = store.read()
  const status = statusOf(store, state)
  if (status === 'stopped') refuse('cannot start a container that has stopped')
  if (status === 'running') refuse('cannot start an already running container')
  if (status === 'paused') refuse('cannot start a container in the paused state')
  using pidfd = pidfdOf(state.pid, state.startTime)
  if (pidfd === undefined) throw new ContainerError('failed', NOT_READY)
  using fifo = openFifo(store)
  using answers = store.openFifoReader()
  const hooks = await keptHooks(store, state, 'poststart')
  const awaitsProgram = state.hooks?.some((kind) => kind !== 'poststop') === true
  using relay = manager === undefined ? undefined : await relayTo(manager, store, state.pid, log)
  release(store, fifo)
  if (!awaitsProgram && relay === undefined) return
  // a hook may call tsrun, and the container may never be ready
  store.unlock()
  if (awaitsProgram) {
    fifo.close()
    awaitProgram(answers)
    runPoststartHooks(hooks, state, pidfd)
  }
  relay?.finish(pidfd)
}

/** Before the container is started: one that cannot tell that it is ready would not be taken for it. */
async function relayTo(
  manager: string,
  store: Store,
  mainPid: number,
  log: Log,
): Promise<NotifyRelay> {
  const { NotifyRelay } = await import('./notify-socket.ts')
  try {
    return new NotifyRelay(store, manager, mainPid, log)
  } catch (cause) {
    const reason = `unable to notify the service manager at ${manager}: ${messageOf(cause)}`
    throw new Error(reason, { cause })
  }
}

/**
 * After `release` of a container that this command has made: waits for the hooks of its start, and runs
 * those that come after.
 *
 * @throws {StepError} of the first that fails
 */
export function finishStart({ hooks }: ContainerPlan, { sync, state, pidfd }: Created): void {
  const { startContainer, poststart } = hooks
  if (startContainer.length + poststart.length === 0) return
  awaitExecuted(sync)
  runPoststartHooks(poststart, state, pidfd)
}

/** What `release` writes. */
const GO = '0'
/** Between looks at a byte that the container has yet to take, in ms. */
const TAKE_MS = 1

/**
 * Waits until the container executes its program, or ends: then it closes the fifo, having said why.
 *
 * @throws {StepError} of its hooks
 */
function awaitProgram(answers: Fd): void {
  for (;;) {
    const [events = 0] = pollIn([answers])
    if ((events & POLL.HUP) !== 0) break
    sleepMs(TAKE_MS)
  }
  const length = readableBytes(answers)
  if (length > GO.length) throw duringInit(startError(readText(answers, length)))
}

function startError(text: string): StepError {
  return new StepError('startContainer hook', '/hooks/startContainer', text, undefined)
}

/** Runs the hooks of a container that has started. If one fails, so has the container. @throws {StepError} */
export function runPoststartHooks(
  hooks: readonly HookPlan[],
  state: Pick<State, 'id' | 'bundle' | 'annotations' | 'pid'>,
  pidfd: Fd,
): void {
  try {
    runRuntimeHooks(hooks, state, 'running', state.pid)
  } catch (error) {
    killQuietly(pidfd)
    throw error
  }
}

function killQuietly(pidfd: Fd): void {
  try {
    pidfdSendSignal(pidfd, SIG.KILL)
  } catch (error) {
    if (!isErrno(error, E.SRCH)) throw error
  }
}

/** Gives the waiting process its byte; from then on the container is running. */
export function release(store: Store, fifo: Fd): void {
  store.removeFifo()
  writeAll(fifo, GO)
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
