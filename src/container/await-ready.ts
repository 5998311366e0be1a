/** What the container's first process reports until it waits for its start. */
import { ContainerError, StepError, SyscallError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { hasOomKills } from '../cgroup/oom-kills.ts'
import { AMBIENT, describeRow } from '../init/rows.ts'
import { CAPABILITIES } from '../plan/capabilities.ts'
import type { ContainerPlan } from '../plan/container-plan.ts'
import { receiveMessage } from '../sync/messages.ts'
import { errnoName, errnoText } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'

/**
 * Waits until the first process is ready to be started.
 *
 * @param sync - where its messages come from
 * @throws {StepError} as it has reported; {ContainerError} if it has died without a word
 */
export function awaitReady(sync: Fd, plan: ContainerPlan, log: Log): void {
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
    const { name, pointer } = describeRow(plan.process, message.row)
    const cause = rowError(name, message.errno)
    if (pointer !== AMBIENT) {
      throw duringInit(new StepError(name, pointer, cause.message, cause))
    }
    const capability = CAPABILITIES[Number(name.split(' ')[1])] ?? name
    log.warning(`can't raise ambient capability CAP_${capability}: ${errnoText(message.errno)}`)
  }
}

function rowError(name: string, errno: number): SyscallError {
  const [syscall = '', ...subject] = name.split(' ')
  return new SyscallError(syscall, subject.join(' '), errno, errnoName(errno), errnoText(errno))
}

function duringInitText(cause: string): string {
  return `unable to start container process: error during container init: ${cause}`
}

function duringInit(error: StepError): StepError {
  return new StepError(error.step, error.pointer, duringInitText(error.message), error.cause)
}

/** It has ended without a word: killed, most likely. */
function died(plan: ContainerPlan, log: Log): ContainerError {
  const text = duringInitText('container init died')
  if (!hasOomKills(plan.cgroup)) return new ContainerError('failed', text)
  const original = log.debugEnabled ? `: ${text}` : ''
  return new ContainerError(
    'failed',
    `container init was OOM-killed (memory limit too low?)${original}`,
  )
}
