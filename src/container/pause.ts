/** Pauses and resumes a container. */
import { ContainerError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { freeze, thaw } from '../cgroup/freezer.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { statusOf } from './status.ts'
import { Store } from './store.ts'

/**
 * Pauses a container that is created or running.
 *
 * @throws {ContainerError} `not-running`; {SyscallError} EPERM without full access to its cgroups
 */
export function pauseContainer(root: string, id: string, log: Log): void {
  using store = Store.lock(root, id)
  const state = store.read()
  const status = statusOf(store, state)
  if (status !== 'created' && status !== 'running') {
    throw new ContainerError('not-running', 'container not running')
  }
  explaining('pause', log, () => freeze(state.cgroup))
}

/**
 * Resumes a paused container.
 *
 * @throws {ContainerError} `wrong-status`; {SyscallError} EPERM without full access to its cgroups
 */
export function resumeContainer(root: string, id: string, log: Log): void {
  using store = Store.lock(root, id)
  const state = store.read()
  if (statusOf(store, state) !== 'paused') {
    throw new ContainerError('wrong-status', 'container not paused')
  }
  explaining('resume', log, () => thaw(state.cgroup))
}

function explaining(what: string, log: Log, action: () => void): void {
  try {
    action()
  } catch (error) {
    if (isErrno(error, E.PERM, E.ACCES)) {
      log.warning(`runc ${what} failure might be caused by lack of full access to cgroups`)
    }
    throw error
  }
}
