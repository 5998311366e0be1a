import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { mark } from '../base/timing.ts'
import type { Created } from '../container/create.ts'
import { discard } from '../container/delete.ts'
import type { NotifyRelay } from '../container/notify-socket.ts'
import { writePidFile } from '../container/pid-file.ts'
import { adoptOrphans, attend, holdSignals } from '../container/run.ts'
import { finishStart, release } from '../container/start.ts'
import type { ContainerPlan } from '../plan/container-plan.ts'
import { S } from '../sys/ffi.ts'
import { NR } from '../sys/numbers.ts'
import { CREATION_OPTIONS, create, pidFilePath } from './creation.ts'
import { defineCommand } from './define.ts'

export default defineCommand({
  name: 'run',
  summary: 'create and run a container',
  usage: '<container-id>',
  description:
    "In the foreground, signals are passed on, and the exit status is the container process's own, or 128 + the signal that ended it; the container is then deleted.",
  args: { min: 1, max: 1 },
  options: {
    ...CREATION_OPTIONS,
    detach: { type: 'flag', alias: 'd', summary: 'return once the program runs' },
    keep: { type: 'flag', summary: 'do not delete the container when it has ended' },
    'no-subreaper': {
      type: 'flag',
      summary: 'do not adopt orphaned processes of the container',
    },
  },
  errorPrefix: 'runc run failed',
  async run({ options, args: [id = ''], runtime }) {
    const { root, log } = runtime
    const pidFile = pidFilePath(options)
    if (!options['no-subreaper']) adoptOrphans(log)
    using signals = options.detach ? undefined : holdSignals()
    const { bundle, created, console } = await create(id, options, runtime, options.detach)
    using terminal = console?.foreground
    const { store, state, pidfd, fifo } = created
    using relay = await notifyRelay(bundle.plan, created, options.detach, log)
    try {
      terminal?.begin()
      release(store, fifo)
      if (pidFile !== undefined) writePidFile(pidFile, state.pid)
      // other commands may now act on the container
      store.unlock()
      finishStart(bundle.plan, created)
      await closePassed(bundle.plan)
    } catch (error) {
      await discard(root, created, log)
      throw error
    }
    if (signals === undefined) {
      relay?.finish(pidfd)
      return 0
    }
    const code = terminal
      ? terminal.attend(state.pid, pidfd, signals, relay)
      : attend(state.pid, pidfd, signals, relay)
    mark('wait')
    if (!options.keep) await discard(root, created, log)
    return code
  },
})

/** That a container cannot tell that it is ready is no reason not to run it. */
async function notifyRelay(
  { hasNotifySocket }: ContainerPlan,
  { store, state }: Created,
  detach: boolean,
  log: Log,
): Promise<NotifyRelay | undefined> {
  if (!hasNotifySocket) return undefined
  const { NotifyRelay } = await import('../container/notify-socket.ts')
  const mainPid = detach ? state.pid : S(NR.getpid)
  try {
    return new NotifyRelay(store, process.env.NOTIFY_SOCKET ?? '', mainPid, log)
  } catch (error) {
    log.warning(`unable to notify the service manager: ${messageOf(error)}`)
    return undefined
  }
}

/** Whoever is at their other ends then sees when the container is done with them. */
async function closePassed({ process: { passedDescriptors = 0 } }: ContainerPlan): Promise<void> {
  if (passedDescriptors === 0) return
  const { closePassed } = await import('../container/descriptors.ts')
  closePassed(passedDescriptors)
}
