/** What the container's first process reports until it waits for its start. */
import { ContainerError, StepError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { countOomKills } from '../cgroup/oom-kills.ts'
import { describeRow } from '../init/rows.ts'
import type { ContainerPlan } from '../plan/container-plan.ts'
import { receiveMessage, sendTaken } from '../sync/messages.ts'
import type { Fd } from '../sys/fd.ts'
import { judgeRow } from './row-failure.ts'

/** What tsrun does when the first process asks for it. */
interface ReadyCallbacks {
  /** The mounts are there, and the hooks of the runtime are to run. */
  onHooks(): void
  /** It has loaded a filter with a listener; it may wait for that one's answers from then on. */
  onLoaded(): void
}

/**
 * Waits until the first process is ready to be started.
 *
 * @param sync - where its messages come from
 * @throws {StepError} as it has reported; {ContainerError} if it has died without a word
 */
export function awaitReady(
  sync: Fd,
  plan: ContainerPlan,
  log: Log,
  { onHooks, onLoaded }: ReadyCallbacks,
): void {
  for (;;) {
    const message = receiveMessage(sync)
    if (message.kind === 'ready') {
      log.debug('init: closing the pipe to signal completion')
      return
    }
    if (message.kind === 'spans') {
      log.debug('child process in init()')
      for (const [name, ms] of message.spans) {
        log.debug(`step ${name}: ${ms.toFixed(3)} ms`, { step: name, ms: Number(ms.toFixed(3)) })
      }
      continue
    }
    if (message.kind === 'error') throw duringInit(message.error)
    if (message.kind === 'closed') throw died(plan, log)
    if (message.kind === 'hooks') {
      onHooks()
      continue
    }
    if (message.kind === 'loaded') {
      handOver(onLoaded)
      sendTaken(sync)
      continue
    }
    const failure = judgeRow(describeRow(plan.process, message.row), message.errno, log)
    if (failure) throw duringInit(failure)
  }
}

/**
 * Waits until the first process, which has been started, executes its program or ends.
 *
 * @throws {StepError} of its hooks
 */
export function awaitExecuted(sync: Fd): void {
  for (;;) {
    const message = receiveMessage(sync)
    if (message.kind === 'closed') return
    if (message.kind === 'error') throw duringInit(message.error)
  }
}

function handOver(onLoaded: () => void): void {
  try {
    onLoaded()
  } catch (error) {
    if (!(error instanceof StepError)) throw error
    const text = `unable to start container process: ${error.message}`
    throw new StepError(error.step, error.pointer, text, error.cause)
  }
}

function duringInitText(cause: string): string {
  return `unable to start container process: error during container init: ${cause}`
}

/** An error of the first process, in runc's words. */
export function duringInit(error: StepError): StepError {
  return new StepError(error.step, error.pointer, duringInitText(error.message), error.cause)
}

/** It has ended without a word: killed, most likely. */
function died(plan: ContainerPlan, log: Log): ContainerError {
  const text = duringInitText('container init died')
  if (countOomKills(plan.cgroup) === 0) return new ContainerError('failed', text)
  const original = log.debugEnabled ? `: ${text}` : ''
  return new ContainerError(
    'failed',
    `container init was OOM-killed (memory limit too low?)${original}`,
  )
}
