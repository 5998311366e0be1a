/**
 * The copy of tsrun that becomes a further process of a container: it enters the container's
 * cgroups and namespaces, gives its rights away, and as the last-exec stub gives birth to the process
 * itself. Everything here is synchronous and loads nothing, as in container-init.ts.
 */
import { messageOf } from '../base/errors.ts'
import { enterCgroup, openMembership } from '../cgroup/directories.ts'
import { unifiedPathOf } from '../cgroup/probe.ts'
import type { CgroupPath } from '../plan/cgroup.ts'
import type { ExecCgroupPlan } from '../plan/exec-cgroup.ts'
import type { ExecPlan } from '../plan/exec-plan.ts'
import type { Filter } from '../plan/seccomp.ts'
import type { Root } from '../rootfs/resolve.ts'
import { chrootInto, openRootDirectory } from '../rootfs/root.ts'
import { sendError } from '../sync/messages.ts'
import { check } from '../sys/check.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { O, open } from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'
import { CLONE, exit, setParentDeathSignal, useAllCpus } from '../sys/process.ts'
import { blockOnly, SIG, setAllDefault } from '../sys/signal.ts'
import type { ConsoleHandOver } from './inheritance.ts'
import { joinNamespacesOf, type KnownProcess } from './join.ts'
import { launch } from './launch.ts'
import { openProcfs, selfIn, writeProcfs } from './procfs.ts'
import { makeSessionKeyring } from './session-keyring.ts'
import { reopenStandardStreams } from './standard-streams.ts'

/** What the copy takes over from tsrun. */
export interface ExecInheritance {
  readonly sync: Fd
  /** The container's first process. */
  readonly first: KnownProcess
  readonly cgroups: ExecCgroupPlan
  /** clone3 has entered the cgroup v2 hierarchy. */
  readonly isInUnified: boolean
  /** Path of the container's root on the host. */
  readonly rootfs: string
  /** Name of the container's session keyring; absent: the caller's is kept. */
  readonly keyring: string | undefined
  /** Of a process with a terminal. */
  readonly console: ConsoleHandOver | undefined
  /** Of a plan with seccomp. */
  readonly filter: Filter | undefined
  /** The filter is loaded before the process is born. */
  readonly isBornFiltered: boolean
  /** Descriptors that mean something to tsrun alone: closed at once. */
  readonly close: readonly Fd[]
  /** RLIMIT_NOFILE as the caller had it: the engine raises its own. */
  readonly callerNofile: readonly [soft: bigint, hard: bigint]
}

/** Exit status of a copy that could not be set up. */
const FAILED = 255

/** Becomes a further process of the container. Never returns, never throws. */
export function execInit(plan: ExecPlan, inherited: ExecInheritance): never {
  const { sync, first } = inherited
  let step = 'enter'
  try {
    setParentDeathSignal(SIG.KILL)
    setAllDefault()
    blockOnly([])
    for (const fd of inherited.close) fd.close()
    check('setsid', '', S(NR.setsid))
    S(NR.umask, 0)
    const procfs = openProcfs()
    if (plan.oomScoreAdj !== undefined) {
      writeProcfs(procfs, `${selfIn(procfs)}/oom_score_adj`, `${plan.oomScoreAdj}`)
    }
    step = 'joinCgroups'
    enterCgroups(inherited)
    if (plan.process.affinity === undefined) useAllCpus()
    step = 'sessionKeyring'
    if (inherited.keyring !== undefined) {
      const label = plan.process.labels.find(({ module }) => module === 'selinux')
      makeSessionKeyring(procfs, inherited.keyring, label?.value)
    }
    step = 'joinNamespaces'
    const root = enterNamespaces(plan, inherited)
    first.pidfd.close()
    step = 'standardStreams'
    setUpStreams(plan, root, inherited.console)
    step = 'launch'
    launch(plan.process, { root, procfs }, inherited, {
      beforeStub: () => {},
      beforeProgram: undefined,
    })
  } catch (error) {
    sendError(sync, step, undefined, error)
  }
  exit(FAILED)
}

/** Without a mount namespace the container is where its root file system is on the host. */
function enterNamespaces({ namespaces }: ExecPlan, { first, rootfs }: ExecInheritance): Root {
  const hasMounts = (namespaces & CLONE.NEWNS) !== 0
  const hostRoot = hasMounts ? undefined : openRootDirectory(rootfs)
  joinNamespacesOf(first, namespaces)
  if (hostRoot !== undefined) {
    chrootInto(hostRoot)
    return hostRoot
  }
  return { fd: open(undefined, '/', O.PATH | O.DIRECTORY), hostPath: '/' }
}

function setUpStreams(
  { process: { terminal, uid } }: ExecPlan,
  root: Root,
  console: ConsoleHandOver | undefined,
): void {
  if (terminal === undefined || console === undefined) reopenStandardStreams(root, uid)
  else console.setUp({ root, uid, terminal, sink: console.sink, isLeader: false })
}

function enterCgroups(inherited: ExecInheritance): void {
  const { cgroups, isInUnified } = inherited
  try {
    for (const procs of openMembership(cgroups, false)) enterAndClose(procs)
    const unified = cgroups.paths.find(({ controllers }) => controllers === '')
    if (unified !== undefined && !isInUnified) enterUnified(unified, inherited)
  } catch (cause) {
    const message = `error adding pid ${S(NR.getpid)} to cgroups: ${messageOf(cause)}`
    throw new Error(message, { cause })
  }
}

function enterUnified(unified: CgroupPath, { cgroups, first }: ExecInheritance): void {
  try {
    enterAndClose(open(undefined, `${unified.path}/cgroup.procs`, O.WRONLY))
  } catch (error) {
    const { otherwise } = cgroups
    // where the container's own processes may have moved to is not where they were created
    const path =
      otherwise === 'first process' ? unifiedPathOf(first.pid, unified.mountPoint) : otherwise?.path
    if (path === undefined) throw error
    enterAndClose(open(undefined, `${path}/cgroup.procs`, O.WRONLY))
  }
}

function enterAndClose(procs: Fd): void {
  enterCgroup(procs, '0')
  procs.close()
}
