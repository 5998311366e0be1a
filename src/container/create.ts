/** Brings a container to life, up to the moment before its program. */
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { mark } from '../base/timing.ts'
import { expectIdle, openMembership, openUnified } from '../cgroup/directories.ts'
import type { Driver, MadeCgroups } from '../cgroup/driver.ts'
import { driverOf } from '../cgroup/drivers.ts'
import { containerInit } from '../init/container-init.ts'
import type { ConsoleHandOver, Inheritance } from '../init/inheritance.ts'
import type { ContainerPlan } from '../plan/container-plan.ts'
import { cloneProcess } from '../process/clone.ts'
import { startTimeOf } from '../process/identity.ts'
import {
  type OpenedNamespace,
  openNamespaces,
  withNamespacesForChildren,
} from '../process/namespaces.ts'
import type { ResctrlState } from '../resctrl/resctrl.ts'
import { sendHooksDone, sendRecorded } from '../sync/messages.ts'
import type { Fd } from '../sys/fd.ts'
import { CLONE, pidfdSendSignal, waitFor } from '../sys/process.ts'
import { SIG, setDefault } from '../sys/signal.ts'
import { seqpacketPair } from '../sys/socket.ts'
import { awaitReady } from './await-ready.ts'
import type { Bundle } from './bundle.ts'
import { callerNofile, LATER_HOOKS, runPoststopHooks, runRuntimeHooks } from './hooks.ts'
import type { PreparedSeccomp } from './seccomp.ts'
import type { State } from './state.ts'
import { Store } from './store.ts'

/** A container whose first process waits for its start. */
export interface Created {
  readonly store: Store
  readonly state: State
  readonly pidfd: Fd
  /** What the first process waits on: one byte starts it. */
  readonly fifo: Fd
  /** Tells when the program was executed: it is then closed. */
  readonly sync: Fd
}

/** A container in the making. */
interface Making {
  readonly store: Store
  readonly bundle: Bundle
  readonly opened: readonly OpenedNamespace[]
  readonly driver: Driver
  /** If there are some already. */
  readonly cgroups: MadeCgroups | undefined
  readonly group: ResctrlState | undefined
  enterGroup(pid: number): void
  readonly console: ConsoleHandOver | undefined
  readonly seccomp: PreparedSeccomp | undefined
  /** What was made until now, to be taken back from the end. */
  readonly undo: (() => void)[]
  readonly log: Log
}

/**
 * Makes a container of a planned bundle.
 *
 * @param root - the state root, absolute
 * @param console - for a container with a terminal; its sink is closed
 * @returns with the container's directory locked
 * @throws {ContainerError}, {SpecError}, {StepError}; nothing is left behind then
 */
export async function createContainer(
  root: string,
  bundle: Bundle,
  log: Log,
  console?: ConsoleHandOver,
): Promise<Created> {
  const { plan } = bundle
  const driver = await driverOf(plan.cgroup)
  const resctrl = plan.resctrl && (await import('../resctrl/resctrl.ts'))
  const notify = plan.hasNotifySocket ? await import('./notify-socket.ts') : undefined
  warnOfCapabilities(plan, log)
  // a caller that ignores SIGCHLD would keep us from learning how children end
  setDefault(SIG.CHLD)
  const opened = openNamespaces(plan.namespaces)
  const store = Store.reserve(root, plan.id)
  const undo: (() => void)[] = [() => store.dir.close(), () => store.remove(root)]
  try {
    // before the state says that they are this container's, for delete goes by what it says
    expectIdle(plan.cgroup)
    store.keepConfig(bundle.text)
    notify?.makeNotifyDirectory(store)
    const group = plan.resctrl && resctrl?.createResctrl(plan.resctrl)
    if (group) undo.push(() => resctrl?.undoResctrl(group))
    store.write(stateOf(bundle, 0, { group }))
    const cgroups = driver.create?.(plan.cgroup, plan.limits)
    if (cgroups) undo.push(cgroups.undo)
    mark('reserve')
    const seccomp = await seccompOf(root, bundle, log)
    const created = giveBirth({
      store,
      bundle,
      opened,
      driver,
      cgroups,
      group,
      enterGroup: (pid) => group && resctrl?.enterResctrl(group, pid),
      console,
      seccomp,
      undo,
      log,
    })
    for (const { fd } of opened) fd.close()
    return created
  } catch (error) {
    takeBack(undo, log)
    for (const text of runPoststopHooks(plan.hooks.poststop, plan)) log.warning(text)
    throw error
  }
}

async function seccompOf(
  root: string,
  { plan: { process } }: Bundle,
  log: Log,
): Promise<PreparedSeccomp | undefined> {
  if (process.seccomp === undefined) return undefined
  const prepared = await (await import('./seccomp.ts')).prepareSeccomp(root, process.seccomp, log)
  mark('seccomp')
  return prepared
}

/** What cannot be taken back is a warning. */
function takeBack(undo: (() => void)[], log: Log): void {
  for (const step of undo.reverse()) {
    try {
      step()
    } catch (error) {
      log.warning(`unable to clean up: ${messageOf(error)}`)
    }
  }
}

function warnOfCapabilities({ process: { capabilities } }: ContainerPlan, log: Log): void {
  if (capabilities.unknown.length === 0) return
  log.warning(`ignoring unknown or unavailable capabilities: [${capabilities.unknown.join(' ')}]`)
}

function stateOf(
  { path, plan }: Bundle,
  pid: number,
  { cgroups, group }: Partial<Pick<Making, 'cgroups' | 'group'>>,
): State {
  const pids = plan.namespaces
  const hooks = LATER_HOOKS.filter((kind) => plan.hooks[kind].length > 0)
  const joinsPids = pids.join.some(({ kind }) => kind === CLONE.NEWPID)
  return {
    version: 1,
    id: plan.id,
    pid,
    startTime: startTimeOf(pid),
    created: now(),
    bundle: path,
    rootfs: plan.rootfs,
    annotations: plan.annotations,
    ...(hooks.length > 0 && { hooks }),
    cgroup: plan.cgroup,
    ...(cgroups && { cgroupInode: cgroups.inode }),
    ...(group && { resctrl: group }),
    sharesPids: joinsPids || (pids.create & CLONE.NEWPID) === 0,
    ...(!plan.steps.some(({ op }) => op === 'sessionKeyring') && { keepsKeyring: true }),
  }
}

/** RFC 3339 in UTC, with nine digits of a second. */
function now(): string {
  return new Date().toISOString().replace('Z', '000000Z')
}

function giveBirth(making: Making): Created {
  const { store, bundle, log } = making
  const [sync, theirs] = seqpacketPair(['sync', 'sync (child)'])
  const fifo = store.makeFifo()
  const { pid, pidfd } = cloneInit(making, sync, theirs, fifo)
  making.undo.push(() => kill(pidfd, pid))
  mark('clone')
  theirs.close()
  const { cgroups, group } = making
  let state = stateOf(bundle, pid, { cgroups, group })
  store.write(state)
  mark('state')
  const placed = place(making, pid)
  if (placed) {
    state = stateOf(bundle, pid, { cgroups: placed, group })
    store.write(state)
  }
  making.enterGroup(pid)
  sendRecorded(sync)
  // runc's words, which its tests look for
  log.debug('nsexec container setup')
  awaitReady(sync, bundle.plan, log, {
    onHooks() {
      const { prestart, createRuntime } = bundle.plan.hooks
      runRuntimeHooks([...prestart, ...createRuntime], bundle.plan, 'creating', pid)
      sendHooksDone(sync)
    },
    onLoaded() {
      making.seccomp?.handOver({ pid, pidfd }, state, 'creating')
    },
  })
  mark('container side')
  return { store, state, pidfd, fifo, sync }
}

function cloneInit(
  { store, bundle: { plan }, opened, driver, console, seccomp, log }: Making,
  sync: Fd,
  theirs: Fd,
  fifo: Fd,
): { pid: number; pidfd: Fd } {
  const isMade = driver.create !== undefined
  using unified = isMade ? openUnified(plan.cgroup) : undefined
  const membership = isMade ? openMembership(plan.cgroup, false) : []
  const inherited: Inheritance = {
    sync: theirs,
    fifo,
    membership,
    isPlaced: driver.place !== undefined,
    namespaces: opened.filter(({ join }) => join.kind !== CLONE.NEWPID),
    close: [sync, store.dir],
    console,
    filter: seccomp?.filter,
    timed: log.debugEnabled,
    callerNofile: callerNofile(),
  }
  const cloned = withNamespacesForChildren(plan.namespaces, opened, (flags) =>
    cloneProcess(flags, unified, (intoCgroup) =>
      containerInit(
        plan,
        // the host's paths are still in place: the child opens what clone3 could not enter
        intoCgroup || !isMade
          ? inherited
          : { ...inherited, membership: openMembership(plan.cgroup, true) },
      ),
    ),
  )
  for (const fd of membership) fd.close()
  console?.sink.close()
  return cloned
}

/** Has the cgroups made around the process, which waits for that, if the driver works that way. */
function place(
  { bundle: { plan }, driver, undo, log }: Making,
  pid: number,
): MadeCgroups | undefined {
  const placed = driver.place?.(plan.cgroup, plan.limits, pid, log)
  // taken back after the process has been killed, which comes last
  if (placed) undo.splice(-1, 0, placed.undo)
  return placed
}

function kill(pidfd: Fd, pid: number): void {
  try {
    pidfdSendSignal(pidfd, SIG.KILL)
  } catch {
    // it has ended by itself
  }
  waitFor(pid)
  pidfd.close()
}
