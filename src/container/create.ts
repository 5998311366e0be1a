/** Brings a container to life, up to the moment before its program. */
import { ContainerError, messageOf, StepError, SyscallError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { mark } from '../base/timing.ts'
import {
  createCgroup,
  expectIdle,
  openMembership,
  openUnified,
  undoCgroup,
} from '../cgroup/cgroupfs.ts'
import { applyDeviceRules } from '../cgroup/devices-v1.ts'
import { containerInit } from '../init/container-init.ts'
import type { Inheritance } from '../init/inheritance.ts'
import { AMBIENT, describeRow } from '../init/rows.ts'
import { CAPABILITIES } from '../plan/capabilities.ts'
import type { ContainerPlan } from '../plan/container-plan.ts'
import { cloneProcess } from '../process/clone.ts'
import { startTimeOf } from '../process/identity.ts'
import {
  type OpenedNamespace,
  openNamespaces,
  withNamespacesForChildren,
} from '../process/namespaces.ts'
import { receiveMessage } from '../sync/messages.ts'
import { errnoName, errnoText } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { CLONE, pidfdSendSignal, waitFor } from '../sys/process.ts'
import { SIG, setDefault } from '../sys/signal.ts'
import { seqpacketPair } from '../sys/socket.ts'
import type { Bundle } from './bundle.ts'
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

/**
 * Makes a container of a planned bundle.
 *
 * @param root - the state root, absolute
 * @returns with the container's directory locked
 * @throws {ContainerError}, {StepError}; nothing is left behind then
 */
export function createContainer(root: string, bundle: Bundle, log: Log): Created {
  const { plan } = bundle
  warnOfCapabilities(plan, log)
  // a caller that ignores SIGCHLD would keep us from learning how children end
  setDefault(SIG.CHLD)
  const opened = openNamespaces(plan.namespaces)
  const store = Store.reserve(root, plan.id)
  let cgroups: string[] | undefined
  try {
    // before the state says that they are this container's, for delete goes by what it says
    expectIdle(plan.cgroup)
    store.keepConfig(bundle.text)
    store.write(stateOf(bundle, 0))
    cgroups = createCgroup(plan.cgroup)
    applyDeviceRules(plan.cgroup, plan.deviceRules)
    mark('reserve')
    const created = giveBirth(store, bundle, opened, log)
    for (const { fd } of opened) fd.close()
    return created
  } catch (error) {
    undo(root, store, plan, cgroups, log)
    throw error
  }
}

function warnOfCapabilities({ process: { capabilities } }: ContainerPlan, log: Log): void {
  if (capabilities.unknown.length === 0) return
  log.warning(`ignoring unknown or unavailable capabilities: [${capabilities.unknown.join(' ')}]`)
}

function stateOf({ path, spec, plan }: Bundle, pid: number): State {
  const pids = plan.namespaces
  const joinsPids = pids.join.some(({ kind }) => kind === CLONE.NEWPID)
  return {
    version: 1,
    id: plan.id,
    pid,
    startTime: startTimeOf(pid),
    created: now(),
    bundle: path,
    rootfs: plan.rootfs,
    annotations: spec.annotations ?? {},
    cgroup: plan.cgroup,
    sharesPids: joinsPids || (pids.create & CLONE.NEWPID) === 0,
  }
}

/** RFC 3339 in UTC, with nine digits of a second. */
function now(): string {
  return new Date().toISOString().replace('Z', '000000Z')
}

function giveBirth(
  store: Store,
  bundle: Bundle,
  opened: readonly OpenedNamespace[],
  log: Log,
): Created {
  const { plan } = bundle
  const [sync, theirs] = seqpacketPair(['sync', 'sync (child)'])
  const fifo = store.makeFifo()
  using unified = openUnified(plan.cgroup)
  const membership = openMembership(plan.cgroup, false)
  const inherited: Inheritance = {
    sync: theirs,
    fifo,
    membership,
    namespaces: opened.filter(({ join }) => join.kind !== CLONE.NEWPID),
    close: [sync, store.dir],
    timed: log.debugEnabled,
    callerNofile: callerNofile(),
  }
  const { pid, pidfd } = withNamespacesForChildren(plan.namespaces, opened, (flags) =>
    cloneProcess(flags, unified, (intoCgroup) =>
      containerInit(
        plan,
        // the host's paths are still in place: the child opens what clone3 could not enter
        intoCgroup ? inherited : { ...inherited, membership: openMembership(plan.cgroup, true) },
      ),
    ),
  )
  mark('clone')
  theirs.close()
  for (const fd of membership) fd.close()
  try {
    const state = stateOf(bundle, pid)
    store.write(state)
    mark('state')
    // runc's words, which its tests look for
    log.debug('nsexec container setup')
    awaitReady(sync, plan, log)
    mark('container side')
    return { store, state, pidfd, fifo, sync }
  } catch (error) {
    kill(pidfd, pid)
    throw error
  }
}

/** RLIMIT_NOFILE as the launcher found it, before the engine raised it: two hexadecimal numbers. */
function callerNofile(): readonly [bigint, bigint] {
  const [soft = '', hard = ''] = (process.env.TSRUN_NOFILE ?? '400:1000').split(':')
  return [BigInt(`0x${soft}`), BigInt(`0x${hard}`)]
}

function awaitReady(sync: Fd, plan: ContainerPlan, log: Log): void {
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
    if (message.kind === 'closed') {
      throw new ContainerError('failed', duringInitText('container init died'))
    }
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

function kill(pidfd: Fd, pid: number): void {
  try {
    pidfdSendSignal(pidfd, SIG.KILL)
  } catch {
    // it has ended by itself
  }
  waitFor(pid)
  pidfd.close()
}

/** Takes back what a failed create has made; what cannot be taken back is a warning. */
function undo(
  root: string,
  store: Store,
  plan: ContainerPlan,
  cgroups: readonly string[] | undefined,
  log: Log,
): void {
  const steps: (() => void)[] = [() => store.remove(root), () => store.dir.close()]
  if (cgroups) steps.unshift(() => undoCgroup(plan.cgroup, cgroups))
  for (const step of steps) {
    try {
      step()
    } catch (error) {
      log.warning(`unable to clean up: ${messageOf(error)}`)
    }
  }
}
