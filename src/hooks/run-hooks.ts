/** Runs hooks, one after the other. */
import { messageOf, StepError } from '../base/errors.ts'
import type { HookPlan } from '../plan/hooks.ts'
import { check, isErrno } from '../sys/check.ts'
import { E, errnoText } from '../sys/errno.ts'
import { closeOnExecFrom, type Fd, setCloseOnExecIfOpen } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { fstat, O, open, readDirectory, readText, seek, writeAll } from '../sys/file.ts'
import { str } from '../sys/memory.ts'
import { NR } from '../sys/numbers.ts'
import {
  clone3,
  type Exit,
  execve,
  exit,
  limitDescriptors,
  memoryFile,
  waitFor,
} from '../sys/process.ts'
import { blockOnly, SIG, setAllDefault } from '../sys/signal.ts'
import { pollIn } from '../sys/socket.ts'

/** What a hook finds. */
export interface HookSurroundings {
  /** JSON for its standard input. */
  readonly state: string
  /** Its environment if it is not configured. */
  readonly env: readonly string[]
  /** Working directory; absent: this process's own. */
  readonly cwd?: string
  /** RLIMIT_NOFILE as the caller of tsrun had it; absent: it is in force already. */
  readonly callerNofile?: readonly [soft: bigint, hard: bigint]
}

/** Files in memory: a hook that leaves a process behind does not keep tsrun waiting. */
interface Streams {
  readonly stdin: Fd
  readonly stdout: Fd
  readonly stderr: Fd
  /** Why the hook could not be executed; empty if it was. */
  readonly failure: Fd
}

/** Of what a hook has written, this much is told; bytes. */
const MOST_OUTPUT = 8 * 1024
const LARGEST_READ = 64 << 20
const FIRST = 3
/** More descriptors are rarely open: the soft limit of most systems. */
const LIKELY = 1024
const FAILED = 127

/**
 * Runs a list of hooks in order. It ends with the first that fails.
 *
 * @throws {StepError} `error running createRuntime hook #0: exit status 1, stdout: , stderr: `
 */
export function runHooks(hooks: readonly HookPlan[], surroundings: HookSurroundings): void {
  for (const hook of hooks) runHook(hook, surroundings)
}

/** Runs one hook to its end. @throws {StepError} */
export function runHook(hook: HookPlan, surroundings: HookSurroundings): void {
  prepareHook(hook, surroundings)()
}

/**
 * Opens what a hook takes.
 *
 * @returns runs it to its end, once; throws {StepError}
 */
export function prepareHook(hook: HookPlan, surroundings: HookSurroundings): () => void {
  const streams: Streams = {
    stdin: memoryFile('hook stdin'),
    stdout: memoryFile('hook stdout'),
    stderr: memoryFile('hook stderr'),
    failure: memoryFile('hook failure'),
  }
  writeAll(streams.stdin, surroundings.state)
  seek(streams.stdin, 0)
  return () => run(hook, surroundings, streams)
}

function run(hook: HookPlan, surroundings: HookSurroundings, streams: Streams): void {
  try {
    const problem = carryOut(hook, surroundings, streams)
    if (problem === undefined) return
    const output = `stdout: ${written(streams.stdout)}, stderr: ${written(streams.stderr)}`
    throw new StepError(
      `${hook.kind} hook`,
      hook.pointer,
      `error running ${hook.kind} hook #${hook.index}: ${problem}, ${output}`,
      undefined,
    )
  } finally {
    for (const fd of Object.values(streams) as Fd[]) fd.close()
  }
}

/** @returns what went wrong, if something did */
function carryOut(
  hook: HookPlan,
  surroundings: HookSurroundings,
  streams: Streams,
): string | undefined {
  const { pid, pidfd } = clone3(0)
  if (pid === 0) becomeHook(hook, surroundings, streams)
  using process = pidfd
  const late = hook.timeoutMs !== undefined && waitUntilEnd(process, hook.timeoutMs)
  // with whatever it has started: they are of one process group
  if (late) S(NR.kill, -pid, SIG.KILL)
  if (late) S(NR.kill, pid, SIG.KILL)
  const ended = waitFor(pid)
  const failure = written(streams.failure)
  if (failure !== '') return failure
  if (late) return `hook ran past specified timeout of ${seconds(hook.timeoutMs ?? 0)}s`
  return ended && describe(ended)
}

/** @returns true if it has not ended in time */
function waitUntilEnd(process: Fd, timeoutMs: number): boolean {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    // a signal ends the wait early
    if (pollIn([process], Math.max(0, deadline - performance.now()))[0] !== 0) return false
    if (performance.now() >= deadline) return true
  }
}

/** As Go writes a float: `1.0`, `0.5`. */
function seconds(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}.0` : `${ms / 1000}`
}

/** The words of Go's runtime, which runc's clients know. */
const SIGNAL_WORDS: Readonly<Record<number, string>> = {
  [SIG.HUP]: 'hangup',
  [SIG.INT]: 'interrupt',
  [SIG.QUIT]: 'quit',
  [SIG.ILL]: 'illegal instruction',
  [SIG.TRAP]: 'trace/breakpoint trap',
  [SIG.ABRT]: 'aborted',
  [SIG.BUS]: 'bus error',
  [SIG.FPE]: 'floating point exception',
  [SIG.KILL]: 'killed',
  [SIG.USR1]: 'user defined signal 1',
  [SIG.SEGV]: 'segmentation fault',
  [SIG.USR2]: 'user defined signal 2',
  [SIG.PIPE]: 'broken pipe',
  [SIG.ALRM]: 'alarm clock',
  [SIG.TERM]: 'terminated',
  [SIG.SYS]: 'bad system call',
}

function describe({ code, signal }: Exit): string | undefined {
  if (signal !== 0) return `signal: ${SIGNAL_WORDS[signal] ?? `signal ${signal}`}`
  return code === 0 ? undefined : `exit status ${code}`
}

/** The end of what is in the file. */
function written(file: Fd): string {
  const { size } = fstat(file)
  seek(file, Math.max(0, size - MOST_OUTPUT))
  const text = readText(file, LARGEST_READ).trimEnd()
  return size <= MOST_OUTPUT ? text : `[...]${text}`
}

/** In the child: by the execve all are closed but the standard streams. */
function closeLate(): void {
  try {
    closeOnExecFrom(FIRST)
  } catch (error) {
    if (!isErrno(error, E.NOSYS, E.INVAL, E.PERM)) throw error
    for (const number of openNumbers()) if (number >= FIRST) setCloseOnExecIfOpen(number)
  }
}

function openNumbers(): number[] {
  try {
    using dir = open(undefined, '/proc/self/fd', O.RDONLY | O.DIRECTORY)
    return readDirectory(dir).map(Number)
  } catch {
    // a container without /proc, or with a filter
    return Array.from({ length: LIKELY }, (_, number) => number)
  }
}

/** In the child: nothing of tsrun's is left but the three streams. */
function becomeHook(
  { path, args, env }: HookPlan,
  surroundings: HookSurroundings,
  streams: Streams,
): never {
  const { stdin, stdout, stderr, failure } = streams
  try {
    // a container's filter may refuse it: then what the hook has started outlives its time
    S(NR.setpgid, 0, 0)
    setAllDefault()
    blockOnly([])
    if (surroundings.callerNofile) limitDescriptors(...surroundings.callerNofile)
    ;[stdin, stdout, stderr].forEach((fd, number) => {
      check('dup3', fd.label, S(NR.dup3, fd.number, number, 0))
    })
    closeLate()
    const { cwd } = surroundings
    if (cwd !== undefined) check('chdir', cwd, S(NR.chdir, str(cwd)))
    const errno = execve(path, args, env ?? surroundings.env)
    writeAll(failure, `fork/exec ${path}: ${errnoText(errno)}`)
  } catch (error) {
    writeAll(failure, messageOf(error))
  }
  exit(FAILED)
}
