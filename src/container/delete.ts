/** Ends a container and removes everything that create made. */
import type { Spec } from '../../spec/generated/config.ts'
import { ContainerError, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { driverOf } from '../cgroup/drivers.ts'
import { thaw, thawTree } from '../cgroup/freezer.ts'
import { killAll } from '../cgroup/kill.ts'
import { probeCgroups } from '../cgroup/probe.ts'
import { BusyError, removeDirectories } from '../cgroup/remove.ts'
import { type CgroupPlan, planCgroup } from '../plan/cgroup.ts'
import type { HookPlan } from '../plan/hooks.ts'
import { isAlive, pidfdOf } from '../process/identity.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { isChild, pidfdSendSignal, waitFor } from '../sys/process.ts'
import { SIG, sleepMs } from '../sys/signal.ts'
import { pollIn } from '../sys/socket.ts'
import type { Created } from './create.ts'
import { keptHooks, runPoststopHooks } from './hooks.ts'
import { ownCgroups } from './own-cgroups.ts'
import type { State } from './state.ts'
import { statusOf } from './status.ts'
import { Store } from './store.ts'

/** How long a killed process may take to end, in ms. */
const KILL_LIMIT_MS = 10_000
const THAW_AFTER_MS = 100

/**
 * Deletes container `id`; one that runs only with `force`. A created one counts as not running.
 *
 * @throws {ContainerError} `not-found` (not with `force`), `wrong-status`
 */
export async function deleteContainer(root: string, id: string, force: boolean): Promise<void> {
  let store: Store
  try {
    store = Store.lock(root, id)
  } catch (error) {
    if (force && error instanceof ContainerError && error.reason === 'not-found') return
    throw error
  }
  using locked = store
  const state = await readOrClear(root, locked, force)
  if (state === undefined) return
  const status = statusOf(locked, state)
  if (!force && (status === 'running' || status === 'paused')) {
    const message = `cannot delete container ${id} that is not stopped: ${status}`
    throw new ContainerError('wrong-status', message)
  }
  if (status !== 'stopped') killInit(state)
  await destroy(root, locked, state)
}

/**
 * The state; or after clearing up what there is without one: of a create that was cut short, or
 * whose state.json has been damaged (only with `force`, for then the process is found by its cgroup
 * alone).
 */
async function readOrClear(root: string, store: Store, force: boolean): Promise<State | undefined> {
  try {
    return store.read()
  } catch (error) {
    const unusable =
      error instanceof ContainerError &&
      (error.reason === 'not-found' || (error.reason === 'corrupt' && force))
    if (!unusable) throw error
    if (error.reason === 'corrupt') await removeCgroups(cgroupByConfig(store), true)
    store.remove(root)
    if (!force) throw error
    return undefined
  }
}

/** Where the cgroups of a container are by its kept configuration, or by its id. */
function cgroupByConfig(store: Store): CgroupPlan {
  let path: unknown
  try {
    path = (JSON.parse(store.readConfig()) as Spec | null)?.linux?.cgroupsPath
  } catch {
    // the kept configuration is no better
  }
  const given = typeof path === 'string' ? path : undefined
  const driver = /^([^:/]*\.slice)?:[^:/]*:[^:/]+$/.test(given ?? '') ? 'systemd' : 'cgroupfs'
  return planCgroup(probeCgroups(), given, store.id, { driver })
}

/** Kills the first process, and with its pid namespace all others in it, and waits for the end. */
function killInit(state: State): void {
  using pidfd = pidfdOf(state.pid, state.startTime)
  if (pidfd === undefined) return
  try {
    pidfdSendSignal(pidfd, SIG.KILL)
  } catch (error) {
    if (!isErrno(error, E.SRCH)) throw error
  }
  // a frozen process dies only once it is thawed; it may have been frozen further below
  thaw(state.cgroup)
  const [ended] = pollIn([pidfd], THAW_AFTER_MS)
  if (ended === 0) {
    thawTree(state.cgroup)
    pollIn([pidfd], KILL_LIMIT_MS)
  }
  for (let waited = 0; isAlive(state.pid, state.startTime); waited += 10) {
    if (waited > KILL_LIMIT_MS) {
      throw new ContainerError('failed', 'container init still running')
    }
    sleepMs(10)
  }
}

/**
 * Removes a stopped container: processes it left, its cgroups, its state; then runs its last hooks.
 *
 * @throws {Error} naming what could not be removed, or what hooks failed once all was removed
 */
export async function destroy(root: string, store: Store, state: State): Promise<void> {
  const hooks = await poststopHooks(store, state)
  try {
    if (state.pid === 0) removeEmpty(state.cgroup)
    else await removeCgroups(ownCgroups(state), state.sharesPids)
    if (state.resctrl) (await import('../resctrl/resctrl.ts')).removeResctrl(state.resctrl)
  } catch (error) {
    throw new Error(`unable to destroy container: ${messageOf(error)}`, { cause: error })
  }
  try {
    store.remove(root)
  } catch (error) {
    throw new Error(
      `unable to destroy container: unable to remove container state dir: ${messageOf(error)}`,
      { cause: error },
    )
  }
  const failures = typeof hooks === 'string' ? [hooks] : runPoststopHooks(hooks, state)
  if (failures.length > 0) throw new Error(failures.join('; '))
}

/** What is wrong with them must not keep the container from being removed: that is the text. */
async function poststopHooks(store: Store, state: State): Promise<readonly HookPlan[] | string> {
  try {
    return await keptHooks(store, state, 'poststop')
  } catch (error) {
    return `poststop hooks are lost: ${messageOf(error)}`
  }
}

/** @param kill - processes may be in them */
async function removeCgroups(cgroup: CgroupPlan, kill: boolean): Promise<void> {
  const driver = await driverOf(cgroup)
  if (kill) killAll(cgroup)
  driver.remove(cgroup)
}

/**
 * Of a create that was cut short: its process ends by itself, and whatever else is in the cgroups
 * that it wanted has nothing to do with it.
 */
function removeEmpty(cgroup: CgroupPlan): void {
  try {
    removeDirectories(cgroup)
  } catch (error) {
    if (!(error instanceof BusyError)) throw error
  }
}

/** Ends and removes a container that this command has made; what is left behind is a warning. */
export async function discard(root: string, { store, state }: Created, log: Log): Promise<void> {
  try {
    if (!store.relock()) return
    killInit(state)
    if (isChild(state.pid)) waitFor(state.pid)
    await destroy(root, store, state)
  } catch (error) {
    log.warning(messageOf(error))
  }
}
