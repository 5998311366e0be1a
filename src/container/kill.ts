/** Sends a signal to a container. */
import { ContainerError, during, syscallErrorOf } from '../base/errors.ts'
import { thaw } from '../cgroup/freezer.ts'
import { killAll } from '../cgroup/kill.ts'
import { pidfdOf } from '../process/identity.ts'
import { E } from '../sys/errno.ts'
import { pidfdSendSignal } from '../sys/process.ts'
import { SIG } from '../sys/signal.ts'
import { ownCgroups } from './own-cgroups.ts'
import { Store } from './store.ts'

/**
 * Sends `signal` to the container's first process; SIGKILL to every process of a container that
 * has no pid namespace of its own, also when the first one has ended.
 *
 * @param all - a container that is not running is no error
 * @throws {ContainerError} `not-running`
 */
export function killContainer(root: string, id: string, signal: number, all: boolean): void {
  using store = Store.open(root, id)
  const state = store.read()
  if (signal === SIG.KILL && state.sharesPids) {
    if (!killAll(ownCgroups(state)) && !all) {
      throw new ContainerError('not-running', 'unable to kill all processes: container not running')
    }
    return
  }
  using pidfd = pidfdOf(state.pid, state.startTime)
  if (pidfd === undefined) {
    if (all) return
    throw new ContainerError('not-running', 'container not running')
  }
  try {
    during('unable to signal init', () => pidfdSendSignal(pidfd, signal))
  } catch (error) {
    if (syscallErrorOf(error)?.errno !== E.SRCH) throw error
    if (!all) throw new ContainerError('not-running', 'container not running')
  }
  // a frozen process takes no signal until it is thawed
  if (signal === SIG.KILL) thaw(state.cgroup)
}
