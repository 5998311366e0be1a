/** Starts a further process in a container. */
import { ContainerError, messageOf, StepError, syscallErrorOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { mark } from '../base/timing.ts'
import { loadSpec } from '../bundle/load.ts'
import { openUnified } from '../cgroup/directories.ts'
import { countOomKills } from '../cgroup/oom-kills.ts'
import { unifiedPathOf } from '../cgroup/probe.ts'
import { lastCapability } from '../host/probe.ts'
import { type ExecInheritance, execInit } from '../init/exec-init.ts'
import type { ConsoleHandOver } from '../init/inheritance.ts'
import { describeRow, schedulerAttributes } from '../init/rows.ts'
import { type ExecCgroupPlan, planExecCgroup, type SubCgroups } from '../plan/exec-cgroup.ts'
import { type ExecPlan, type ProcessChanges, planExec } from '../plan/exec-plan.ts'
import { cloneProcess } from '../process/clone.ts'
import { isAlive, pidfdOf } from '../process/identity.ts'
import { receiveMessage, sendTaken } from '../sync/messages.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { isChild, pidfdOpen, pidfdSendSignal, waitFor } from '../sys/process.ts'
import { affinity, cpuSet, setAffinity, setScheduling } from '../sys/scheduling.ts'
import { SIG, setDefault } from '../sys/signal.ts'
import { send, seqpacketPair } from '../sys/socket.ts'
import { chooser, type RequestedProcess } from './exec-process.ts'
import { type ExecSeccomp, prepareExecSeccomp } from './exec-seccomp.ts'
import { callerNofile } from './hooks.ts'
import { ownCgroups } from './own-cgroups.ts'
import { judgeRow } from './row-failure.ts'
import type { State } from './state.ts'
import { statusOf } from './status.ts'
import { Store } from './store.ts'

/** What the caller wants. */
export interface ExecRequest {
  readonly id: string
  /** Flags, or the path of a process.json. */
  readonly process: ProcessChanges | string
  readonly cgroups: SubCgroups
  readonly ignoresPaused: boolean
  /** How many of the caller's descriptors the process gets, from 3 on. */
  readonly passedDescriptors: number
}

/** What can be started in a container that runs. */
export interface PreparedExec {
  readonly state: State
  /** Of the container's first process. */
  readonly first: Fd
  readonly source: RequestedProcess
  readonly plan: ExecPlan
  readonly cgroups: ExecCgroupPlan
  readonly seccomp: ExecSeccomp | undefined
}

/** A process of the container that waits for its start; a child of tsrun. */
export interface WaitingProcess {
  readonly pid: number
  readonly pidfd: Fd
  /** Lets its program run. */
  release(): void
  /** After that: waits until its program is executed, or it has ended. */
  awaitExecuted(): void
  /** Ends it without its program having run. */
  discard(): void
}

/**
 * Decides what to start. Nothing is made yet.
 *
 * @throws {ContainerError} `not-found`; `wrong-status` unless the container runs or is created;
 *   {SpecError} for a process.json that is not valid, with a position
 */
export async function prepareExec(
  root: string,
  request: ExecRequest,
  log: Log,
): Promise<PreparedExec> {
  // before the lock: a file may be a pipe that nothing is written to
  const choose = await chooser(request.process)
  // one that is being created shows its process the host's files still
  using store = Store.share(root, request.id)
  const state = store.read()
  const first = openFirst(store, state, request.ignoresPaused)
  const config = store.readConfig()
  const spec = await loadSpec(config, 'config.json')
  mark('load')
  const source = choose(spec, config)
  const plan = planExec(spec, source.process, lastCapability(), request.passedDescriptors)
  const { unknown } = plan.process.capabilities
  if (unknown.length > 0) {
    log.warning(`ignoring unknown or unavailable capabilities: [${unknown.join(' ')}]`)
  }
  const cgroups = planExecCgroup(cgroupsOf(state), request.cgroups)
  mark('plan')
  const seccomp = await prepareExecSeccomp(root, plan, state, log)
  return { state, first, source, plan, cgroups, seccomp }
}

function openFirst(store: Store, state: State, ignoresPaused: boolean): Fd {
  const status = statusOf(store, state)
  if (status === 'paused' && !ignoresPaused) {
    const message = 'cannot exec in a paused container (use --ignore-paused to override)'
    throw new ContainerError('wrong-status', message)
  }
  const first = status === 'stopped' ? undefined : pidfdOf(state.pid, state.startTime)
  if (first === undefined) throw stopped()
  return first
}

function stopped(): ContainerError {
  return new ContainerError('wrong-status', 'cannot exec in a stopped container')
}

/**
 * The container's cgroups; or, where others have taken their place since its first process left
 * them, the one that this is in now.
 */
function cgroupsOf(state: State): State['cgroup'] {
  const own = ownCgroups(state)
  if (own.paths.length > 0 || state.cgroup.paths.length === 0) return own
  const [unified] = state.cgroup.paths
  const path =
    own.mode === 'v2' && unified ? unifiedPathOf(state.pid, unified.mountPoint) : undefined
  if (unified === undefined || path === undefined) {
    throw new ContainerError('failed', "unable to join cgroups: they are not the container's")
  }
  return { ...own, paths: [{ ...unified, path }] }
}

/**
 * Makes the process, up to the moment before its program.
 *
 * @param console - of a process with a terminal; its sink is closed
 * @throws {ContainerError}, {StepError} with a pointer into the source; nothing is left then
 */
export function beginExec(
  prepared: PreparedExec,
  console: ConsoleHandOver | undefined,
  log: Log,
): WaitingProcess {
  // a caller that ignores SIGCHLD would keep us from learning how children end
  setDefault(SIG.CHLD)
  const { state, first } = prepared
  const oomKills = countOomKills(state.cgroup)
  const [sync, theirs] = seqpacketPair(['sync', 'sync (child)'])
  const made = { copy: 0, process: 0 }
  try {
    log.debug('nsexec container setup')
    made.copy = onInitialCpus(prepared, log, () => cloneCopy(prepared, { sync, theirs, console }))
    for (const fd of [theirs, first, console?.sink]) fd?.close()
    mark('clone')
    awaitBirth(sync, prepared, made, log)
    mark('container side')
    const waiting = waitingProcess(made.process, sync, prepared, log)
    waitFor(made.copy)
    return waiting
  } catch (error) {
    // which both of them take for a reason to end
    sync.close()
    // unless it waits for the answer of an agent that there is not
    if (made.process !== 0) {
      using pidfd = pidfdOpen(made.process)
      killChild(pidfd)
    }
    for (const pid of [made.copy, made.process]) if (pid !== 0) waitFor(pid)
    throw explained(error, prepared, countOomKills(state.cgroup) > oomKills)
  }
}

/** Kills a child that has not been waited for; it may have ended. */
function killChild(pidfd: Fd): void {
  try {
    pidfdSendSignal(pidfd, SIG.KILL)
  } catch (error) {
    if (!isErrno(error, E.SRCH)) throw error
  }
}

/** @returns the process id of the copy */
function cloneCopy(
  { plan, state, first, cgroups, seccomp }: PreparedExec,
  { sync, theirs, console }: { sync: Fd; theirs: Fd; console: ConsoleHandOver | undefined },
): number {
  using unified = openUnifiedIfAny(cgroups)
  const inherited: Omit<ExecInheritance, 'isInUnified'> = {
    sync: theirs,
    first: { pid: state.pid, pidfd: first },
    cgroups,
    rootfs: state.rootfs,
    keyring: state.keepsKeyring === true ? undefined : `_ses.${state.id}`,
    console,
    filter: seccomp?.filter,
    isBornFiltered: seccomp?.isBornFiltered === true,
    close: [sync],
    callerNofile: callerNofile(),
  }
  const { pid, pidfd } = cloneProcess(0, unified, (isInUnified) =>
    execInit(plan, { ...inherited, isInUnified }),
  )
  pidfd.close()
  return pid
}

/** If it is missing, the copy says so, or enters another one. */
function openUnifiedIfAny(cgroups: ExecCgroupPlan): Fd | undefined {
  try {
    return openUnified(cgroups)
  } catch (error) {
    if (isErrno(error, E.NOENT, E.NODEV)) return undefined
    throw error
  }
}

/** Runs `action` on the CPUs that are for the time before the process is in its cgroups. */
function onInitialCpus<T>(
  { plan: { initialCpus }, source }: PreparedExec,
  log: Log,
  action: () => T,
): T {
  if (initialCpus === undefined) return action()
  const before = affinity()
  const mask = initialCpus.reduce((all, cpu) => all | (1n << BigInt(cpu)), 0n)
  try {
    setAffinity(cpuSet(initialCpus), `0x${mask.toString(16)}`)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const pointer = `${source.at}/execCPUAffinity/initial`
    throw new StepError('initialAffinity', pointer, error.message, error)
  }
  // runc's words, which its tests look for
  log.debug(`nsexec-0: affinity: 0x${mask.toString(16)}`)
  try {
    return action()
  } finally {
    setAffinity(before, 'as before')
  }
}

/**
 * Waits until there is the process itself, and it waits in turn.
 *
 * @param made - is given its process id once that is known
 */
function awaitBirth(sync: Fd, prepared: PreparedExec, made: { process: number }, log: Log): void {
  const { plan, seccomp } = prepared
  const how = { isBornFiltered: seccomp?.isBornFiltered === true }
  let isReady = false
  let hasLoaded = false
  while (made.process === 0 || !isReady) {
    const message = receiveMessage(sync)
    if (message.kind === 'ready') {
      // runc's words, which its tests look for
      log.debug('child process in init()')
      isReady = true
    } else if (message.kind === 'loaded') hasLoaded = true
    else if (message.kind === 'error') throw message.error
    else if (message.kind !== 'row')
      throw new ContainerError('failed', 'the process died while it was set up')
    // the row that forks tells its success, too
    else if (message.errno < 0) made.process = expectChild(-message.errno)
    else {
      const failure = judgeRow(describeRow(plan.process, message.row, how), message.errno, log)
      if (failure) throw failure
    }
    // which it may say before its parent has told of the birth
    if (hasLoaded && made.process !== 0) {
      handListenerOver(prepared, made.process)
      sendTaken(sync)
      hasLoaded = false
    }
  }
}

/** The container may have got at the socket: the number must not be that of any process. */
function expectChild(pid: number): number {
  if (!isChild(pid))
    throw new ContainerError('failed', `process ${pid} is not the one that was made`)
  return pid
}

function handListenerOver({ seccomp, state }: PreparedExec, pid: number): void {
  using pidfd = pidfdOpen(pid)
  seccomp?.handOver({ pid, pidfd }, state, 'running')
}

/** What `beginExec` says of a failure. */
function explained(thrown: unknown, prepared: PreparedExec, isOomKilled: boolean): unknown {
  const { state, source } = prepared
  if (isEndOf(state, thrown)) return stopped()
  if (!(thrown instanceof Error)) return thrown
  const hint = isOomKilled ? ' (possibly OOM-killed)' : ''
  const text = `unable to start container process: ${thrown.message}${hint}`
  if (thrown instanceof ContainerError) return new ContainerError(thrown.reason, text)
  if (!(thrown instanceof StepError)) return new StepError('exec', undefined, text, thrown)
  // a process.json has no such place
  const isElsewhere = source.at === '' && thrown.pointer?.startsWith('/linux/')
  const pointer = isElsewhere ? undefined : thrown.pointer?.replace(/^\/process/, source.at)
  return new StepError(thrown.step, pointer, text, thrown.cause)
}

/** True if what was thrown comes of the container's end. */
function isEndOf({ pid, startTime }: State, thrown: unknown): boolean {
  const failed = syscallErrorOf(thrown)
  // while the first process is about to end, which the kernel does not show yet
  if (failed?.syscall === 'setns' && failed.errno === E.SRCH) return true
  return OF_AN_END.includes(failed?.errno ?? 0) && !isAlive(pid, startTime)
}

/**
 * Nobody is born any more in a pid namespace without its first process: ENOMEM. Its cgroups may be
 * removed already: ENOENT and ENODEV. Who waited there has been killed: EPIPE and ECONNRESET.
 */
const OF_AN_END: readonly number[] = [E.SRCH, E.NOMEM, E.NOENT, E.NODEV, E.PIPE, E.CONNRESET]

function waitingProcess(
  pid: number,
  sync: Fd,
  { plan: { scheduler }, state }: PreparedExec,
  log: Log,
): WaitingProcess {
  if (scheduler) {
    try {
      setScheduling(pid, schedulerAttributes(scheduler))
    } catch (error) {
      throw new StepError('scheduler', '/process/scheduler', messageOf(error), error)
    }
  }
  const pidfd = pidfdOpen(pid)
  return {
    pid,
    pidfd,
    release() {
      // runc's words, which its tests look for
      log.debug('setns_init: about to exec')
      try {
        send(sync, Buffer.from('go'))
      } catch (error) {
        throw isEndOf(state, error)
          ? stopped()
          : new Error('killed before its start', { cause: error })
      }
    },
    awaitExecuted() {
      while (receiveMessage(sync).kind !== 'closed') {
        // nothing else is expected
      }
    },
    discard() {
      sync.close()
      killChild(pidfd)
      waitFor(pid)
      pidfd.close()
    },
  }
}
