/**
 * The end of the first process, or of a further one: everything that takes its privileges away, as a
 * table of system calls for the last-exec stub. The stub runs them, reports that the process is
 * there, waits (on the fifo, or for tsrun's answer) and executes the program; by then no JavaScript
 * is left in the process.
 */
import type { ProcessPlan } from '../plan/process-plan.ts'
import type { Root } from '../rootfs/resolve.ts'
import { buildLastExec } from '../stub/last-exec.ts'
import type { Program } from '../stub/program.ts'
import { isErrno } from '../sys/check.ts'
import { setEffectiveCapabilities } from '../sys/credentials.ts'
import { E } from '../sys/errno.ts'
import {
  closeFrom,
  closeOnExecFrom,
  duplicate,
  type Fd,
  setCloseOnExec,
  setCloseOnExecIfOpen,
} from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { at, keep } from '../sys/memory.ts'
import { NR } from '../sys/numbers.ts'
import { execFd, sealedExecutable } from '../sys/process.ts'
import type { Inheritance } from './inheritance.ts'
import { prepareLabelling } from './labels.ts'
import { ownDescriptors } from './procfs.ts'
import { becomeForFiles, enterWorkingDirectory, findProgram, withHome } from './program.ts'
import { planRows } from './rows.ts'
import { walkRows } from './walk-rows.ts'

/** The first descriptor that is not a standard stream. */
const FIRST = 3
const MACHINE = process.arch === 'arm64' ? 'aarch64' : 'x86-64'

/** What the process stands in by now. */
interface Surroundings {
  readonly root: Root
  /** The host's /proc. */
  readonly procfs: Fd
}

/** What the process has from tsrun. */
type Ends = Pick<Inheritance, 'sync' | 'callerNofile' | 'filter'> & {
  /** Of a further process with a filter: see birth.ts. */
  readonly isBornFiltered?: boolean
  /** Absent for a further process, of exec. */
  readonly fifo?: Fd
}

/** What is called on the way. */
interface Callbacks {
  /** Before the stub takes over, which is the last of JavaScript. */
  beforeStub(): void
  /**
   * Prepares what it returns, while nothing is forbidden yet. That is called when the container has
   * been started, before its program is executed, as the container's user, and does not throw.
   * Absent: no JavaScript is needed that late.
   */
  readonly beforeProgram: ((env: readonly string[]) => () => void) | undefined
}

/** Becomes the stub, or walks the same table here: for hooks, or where a memfd may not be executed. */
export function launch(
  plan: ProcessPlan,
  { root, procfs }: Surroundings,
  inherited: Ends,
  { beforeStub, beforeProgram }: Callbacks,
): never {
  const env = withOwnPid(plan, withHome(plan, root))
  enterWorkingDirectory(plan.cwd, () => becomeForFiles(plan))
  const path = findProgram(plan.args[0] ?? '', env)
  const passed = plan.passedDescriptors ?? 0
  const kept = [inherited.sync.number, ...(inherited.fifo ? [inherited.fifo.number] : [])]
  const labelling = plan.labels.length > 0 && prepareLabelling(procfs, kept, FIRST + passed)
  if (labelling) kept.push(procfs.number)
  const program: Program = {
    rows: planRows(plan, {
      path,
      env,
      sync: inherited.sync.number,
      ...(inherited.fifo && { fifo: inherited.fifo.number }),
      ...(labelling && { labelling }),
      callerNofile: inherited.callerNofile,
      filter: inherited.filter,
      ...(inherited.isBornFiltered && { isBornFiltered: true }),
    }),
    reportFd: inherited.sync.number,
    execFailurePrefix: `exec ${path}: `,
  }
  closeEverythingElse(kept, procfs, passed)
  const walk = (): never => {
    withoutHostDescriptors(kept, procfs, passed)
    // the rows expect that number to be free, whatever is opened here
    const held = labelling ? duplicate(inherited.sync, labelling.free) : undefined
    return walkHere(program, () => {
      const beforeExec = beforeProgram?.(env)
      held?.close()
      return beforeExec
    })
  }
  if (beforeProgram !== undefined) return walk()
  const stub = stubOf(program)
  if (stub === undefined) return walk()
  const none = at(keep(8))
  beforeStub()
  try {
    execFd(stub, none, none)
  } catch (error) {
    if (!isErrno(error, E.ACCES, E.PERM)) throw error
    return walk()
  }
}

const EVERY_CAPABILITY = [0xffff_ffff, 0xffff_ffff] as const

/** Does without the stub, and without what its execve does. */
function walkHere(program: Program, prepare: () => (() => void) | undefined): never {
  setEffectiveCapabilities(EVERY_CAPABILITY)
  walkRows(program, prepare)
}

function stubOf(program: Program): ReturnType<typeof sealedExecutable> | undefined {
  try {
    return sealedExecutable('tsrun', buildLastExec(MACHINE, program))
  } catch (error) {
    // vm.memfd_noexec=2
    if (isErrno(error, E.ACCES)) return undefined
    throw error
  }
}

/** As seen from here, which is 1 unless the container shares a pid namespace. @see sd_listen_fds(3) */
function withOwnPid({ isActivated }: ProcessPlan, env: readonly string[]): readonly string[] {
  if (isActivated !== true) return env
  const own = `LISTEN_PID=${S(NR.getpid)}`
  return env.map((entry) => (entry.startsWith('LISTEN_PID=') ? own : entry))
}

/** Only the standard streams, what the caller passes on and what the stub needs cross the execve. */
function closeEverythingElse(kept: readonly number[], procfs: Fd, passed: number): void {
  try {
    closeOnExecFrom(FIRST)
  } catch (error) {
    if (!isErrno(error, E.NOSYS, E.INVAL, E.PERM)) throw error
    for (const number of ownDescriptors(procfs)) {
      if (number >= FIRST) setCloseOnExecIfOpen(number)
    }
  }
  for (let number = FIRST; number < FIRST + passed; number++) setCloseOnExec(number, false)
  for (const number of kept) setCloseOnExec(number, false)
}

/**
 * Without the stub's execve those are open still while programs of the container's run, which find
 * them in /proc/1/fd: the host's procfs, cgroups and root (threat T-08).
 */
function withoutHostDescriptors(kept: readonly number[], procfs: Fd, passed: number): void {
  try {
    closeFrom(FIRST + passed, kept)
  } catch (error) {
    if (!isErrno(error, E.NOSYS, E.PERM)) throw error
    for (const number of ownDescriptors(procfs)) {
      if (number >= FIRST + passed && !kept.includes(number)) S(NR.close, number)
    }
  }
}
