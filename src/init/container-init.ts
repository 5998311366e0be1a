/**
 * The container's first process, from its birth to the last execve. It is a copy of the engine
 * with one thread: everything here is synchronous, loads nothing, and ends in `launch` or `exit`.
 */
import { messageOf } from '../base/errors.ts'
import { SPEC_VERSION } from '../base/version.ts'
import { enterCgroup } from '../cgroup/directories.ts'
import { prepareHook, runHooks } from '../hooks/run-hooks.ts'
import type { ContainerPlan } from '../plan/container-plan.ts'
import { type HookPlan, hookStateText } from '../plan/hooks.ts'
import type { Step, StepName, StepOf } from '../plan/steps.ts'
import { makeDevice, makeDeviceLinks } from '../rootfs/device.ts'
import { type Covers, makePathReadonly, maskPath, prepareCovers } from '../rootfs/mask.ts'
import { mountStep } from '../rootfs/mount.ts'
import { ensureInRoot, type Root } from '../rootfs/resolve.ts'
import {
  chrootInto,
  makeMountReadonly,
  makeRootMount,
  makeRootReadonly,
  moveInto,
  openRootDirectory,
  pivotInto,
  setRootPropagation,
} from '../rootfs/root.ts'
import { awaitHooks, awaitRecorded, type Span, sendError, sendSpans } from '../sync/messages.ts'
import { check } from '../sys/check.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { writeAll } from '../sys/file.ts'
import { str } from '../sys/memory.ts'
import { bringLoopbackUp } from '../sys/network.ts'
import { NR } from '../sys/numbers.ts'
import { CLONE, exit, setns, setParentDeathSignal, unshare, useAllCpus } from '../sys/process.ts'
import { blockOnly, SIG, setAllDefault } from '../sys/signal.ts'
import type { Inheritance } from './inheritance.ts'
import { launch } from './launch.ts'
import { openProcfs, selfIn, writeProcfs } from './procfs.ts'
import { makeSessionKeyring } from './session-keyring.ts'
import { reopenStandardStreams } from './standard-streams.ts'

/** What the steps share. */
interface Context {
  readonly plan: ContainerPlan
  readonly inherited: Inheritance
  readonly procfs: Fd
  root: Root | undefined
  covers: Covers | undefined
  /** tsrun has said that this process is known. */
  isRecorded: boolean
}

/** Exit status of a first process that could not be set up. */
const FAILED = 255

/** What the child is doing right now: what an error is put down to, and time. */
interface Position {
  name: string
  pointer: string | undefined
  since: number
  readonly spans: Span[]
}

/** Becomes the container's first process. Never returns, never throws. */
export function containerInit(plan: ContainerPlan, inherited: Inheritance): never {
  const now: Position = { name: 'enter', pointer: undefined, since: performance.now(), spans: [] }
  const begin = (name: string, pointer: string | undefined): void => {
    if (inherited.timed) {
      const time = performance.now()
      now.spans.push([
        now.pointer === undefined ? now.name : `${now.name} ${now.pointer}`,
        time - now.since,
      ])
      now.since = time
    }
    now.name = name
    now.pointer = pointer
  }
  try {
    enter(inherited)
    for (const { join, fd } of inherited.namespaces) {
      begin('joinNamespace', join.pointer)
      setns(fd, join.kind)
    }
    if (plan.namespaces.createCgroup) unshare(CLONE.NEWCGROUP, 'cgroup namespace')
    const context: Context = {
      plan,
      inherited,
      procfs: openProcfs(),
      root: undefined,
      covers: undefined,
      isRecorded: inherited.isPlaced,
    }
    for (const step of plan.steps) {
      begin(step.op, step.pointer)
      carryOut(step, context)
    }
    // from here on it may outlive tsrun, so somebody must know of it
    expectRecorded(context)
    begin('launch', '/process')
    const { startContainer } = plan.hooks
    launch(plan.process, { root: rootOf(context), procfs: context.procfs }, inherited, {
      beforeStub: () => {
        begin('stub', undefined)
        if (inherited.timed) sendSpans(inherited.sync, now.spans)
      },
      beforeProgram:
        startContainer.length === 0
          ? undefined
          : (env) => prepareStartHooks(startContainer, context, env),
    })
  } catch (error) {
    sendError(inherited.sync, now.name, now.pointer, error)
  }
  exit(FAILED)
}

/** First acts: nothing of the engine's signal handling, and into the cgroups. */
function enter(inherited: Inheritance): void {
  setParentDeathSignal(SIG.KILL)
  setAllDefault()
  blockOnly([])
  for (const fd of inherited.close) fd.close()
  for (const procs of inherited.membership) {
    enterCgroup(procs, '0')
    procs.close()
  }
  if (inherited.isPlaced) awaitRecorded(inherited.sync)
  useAllCpus()
  S(NR.umask, 0)
  check('setsid', '', S(NR.setsid))
}

function expectRecorded(context: Context): void {
  if (context.isRecorded) return
  awaitRecorded(context.inherited.sync)
  context.isRecorded = true
}

/** The host's programs in the container's namespaces: nothing of the container's is in their environment. */
function runContainerHooks(hooks: readonly HookPlan[], { plan, inherited }: Context): void {
  runHooks(hooks, {
    state: ownState(plan, 'creating'),
    env: [],
    cwd: plan.rootfs,
    callerNofile: inherited.callerNofile,
  })
}

/** The container's programs, run as its program will be. */
function prepareStartHooks(
  hooks: readonly HookPlan[],
  { plan, inherited }: Context,
  env: readonly string[],
): () => void {
  const state = ownState(plan, 'created')
  const prepared = hooks.map((hook) => {
    const own = { ...hook, env: hook.env?.length === 0 ? undefined : hook.env }
    return prepareHook(own, { state, env })
  })
  return () => {
    try {
      for (const run of prepared) run()
    } catch (error) {
      const told = sendError(inherited.sync, 'startContainer hook', '/hooks/startContainer', error)
      // who has made the container is gone: start listens at the fifo
      if (!told) writeAll(inherited.fifo, messageOf(error))
      exit(FAILED)
    }
  }
}

/** With the process id as it is in here. */
function ownState(
  { id, bundle, annotations }: ContainerPlan,
  status: 'creating' | 'created',
): string {
  return hookStateText(SPEC_VERSION, { id, status, pid: S(NR.getpid), bundle, annotations })
}

function rootOf(context: Context): Root {
  if (context.root === undefined) throw new Error('the plan has no root file system')
  return context.root
}

function carryOut(step: Step, context: Context): void {
  // the table is exhaustive by its type; the compiler cannot relate its rows to `step`
  const run = STEPS[step.op] as (step: Step, context: Context) => void
  run(step, context)
}

const STEPS: { readonly [N in StepName]: (step: StepOf<N>, context: Context) => void } = {
  oomScoreAdj: ({ value }, { procfs }) =>
    writeProcfs(procfs, `${selfIn(procfs)}/oom_score_adj`, `${value}`),
  sessionKeyring: ({ name, label }, { procfs }) => makeSessionKeyring(procfs, name, label),
  loopback: () => bringLoopbackUp(),
  rootfs: ({ path, propagation, isolated }, context) => {
    context.root = isolated ? makeRootMount(path, propagation) : openRootDirectory(path)
  },
  mount: (step, context) => mountStep(rootOf(context), step),
  device: (step, context) => makeDevice(rootOf(context), step),
  deviceLinks: (_, context) => makeDeviceLinks(rootOf(context)),
  runtimeHooks: (_, context) => {
    expectRecorded(context)
    awaitHooks(context.inherited.sync)
  },
  containerHooks: ({ hooks }, context) => runContainerHooks(hooks, context),
  enterRoot: ({ how, masks }, context) => {
    const root = rootOf(context)
    if (masks) context.covers = prepareCovers()
    if (how === 'pivot') pivotInto(root)
    else if (how === 'move') moveInto(root)
    else chrootInto(root)
  },
  rootPropagation: ({ propagation }) => setRootPropagation(propagation),
  standardStreams: (_, context) => reopenStandardStreams(rootOf(context), context.plan.process.uid),
  console: ({ isBound }, context) => {
    const { terminal, uid } = context.plan.process
    const { console } = context.inherited
    if (console === undefined || terminal === undefined) throw new Error('there is no console')
    const root = rootOf(context)
    const { sink, setUp } = console
    setUp({ root, uid, terminal, sink, ...(isBound && { bindThrough: context.procfs }) })
  },
  createWorkingDirectory: ({ path }, context) =>
    ensureInRoot(rootOf(context), path, 'directory').fd.close(),
  readonlyMount: ({ destination }, context) => makeMountReadonly(rootOf(context), destination),
  readonlyRoot: () => makeRootReadonly(),
  hostname: ({ name }) => {
    check('sethostname', name, S(NR.sethostname, str(name), Buffer.byteLength(name)))
  },
  domainname: ({ name }) => {
    check('setdomainname', name, S(NR.setdomainname, str(name), Buffer.byteLength(name)))
  },
  sysctl: ({ path, value }, { procfs }) => {
    try {
      writeProcfs(procfs, `sys/${path}`, value)
    } catch (cause) {
      throw new Error(`unable to set sysctl ${path}: ${messageOf(cause)}`, { cause })
    }
  },
  readonlyPath: ({ path }, context) => makePathReadonly(rootOf(context), path),
  maskedPath: ({ path }, context) => maskPath(rootOf(context), path, context.covers),
}
