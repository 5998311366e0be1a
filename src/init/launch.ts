/**
 * The end of the first process: everything that takes its privileges away, as a table of system
 * calls for the last-exec stub. The stub runs them, reports that the container is created, waits
 * on the fifo and executes the program; by then no JavaScript is left in the process.
 */
import type { ProcessPlan } from '../plan/process-plan.ts'
import type { Root } from '../rootfs/resolve.ts'
import { buildLastExec } from '../stub/last-exec.ts'
import type { Program } from '../stub/program.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { closeOnExecFrom, type Fd, setCloseOnExec } from '../sys/fd.ts'
import { at, keep } from '../sys/memory.ts'
import { execFd, sealedExecutable } from '../sys/process.ts'
import type { Inheritance } from './inheritance.ts'
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

/**
 * Becomes the stub, or where a memfd may not be executed walks the same table here.
 *
 * @param beforeExec - the last of JavaScript
 */
export function launch(
  plan: ProcessPlan,
  { root, procfs }: Surroundings,
  inherited: Inheritance,
  beforeExec: () => void,
): never {
  const env = withHome(plan, root)
  enterWorkingDirectory(plan.cwd, () => becomeForFiles(plan))
  const path = findProgram(plan.args[0] ?? '', env)
  const program: Program = {
    rows: planRows(plan, {
      path,
      env,
      sync: inherited.sync.number,
      fifo: inherited.fifo.number,
      callerNofile: inherited.callerNofile,
    }),
    reportFd: inherited.sync.number,
    execFailurePrefix: `exec ${path}: `,
  }
  closeEverythingElse(inherited, procfs)
  const stub = stubOf(program)
  if (stub === undefined) return walkRows(program)
  const none = at(keep(8))
  beforeExec()
  try {
    execFd(stub, none, none)
  } catch (error) {
    if (!isErrno(error, E.ACCES, E.PERM)) throw error
    return walkRows(program)
  }
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

/** Only the standard streams and what the stub itself needs cross the execve. */
function closeEverythingElse(inherited: Inheritance, procfs: Fd): void {
  try {
    closeOnExecFrom(FIRST)
  } catch (error) {
    if (!isErrno(error, E.NOSYS, E.INVAL, E.PERM)) throw error
    for (const number of ownDescriptors(procfs)) closeOnExecIfOpen(number)
  }
  for (const fd of [inherited.sync, inherited.fifo]) setCloseOnExec(fd.number, false)
}

function closeOnExecIfOpen(number: number): void {
  if (number < FIRST) return
  try {
    setCloseOnExec(number, true)
  } catch (error) {
    if (!isErrno(error, E.BADF)) throw error
  }
}
