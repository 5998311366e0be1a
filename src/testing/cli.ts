/** Runs the built program for the black-box tests. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** How a program ended, and what it wrote. */
export interface Outcome {
  /** Exit code; 128 and more for a signal, as a shell says it. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  /** Instead of the environment of the test. */
  readonly env?: NodeJS.ProcessEnv
  /** What the program reads; /dev/null if not given. */
  readonly input?: string
}

/** A program under way. */
export interface Running {
  readonly child: ChildProcess
  readonly pid: number
  /** What it has written until now. */
  stdout(): string
  stderr(): string
  /** Resolves when the program ends, whoever still holds its output open. */
  readonly ended: Promise<Outcome>
}

const SIGNALED = 128

/** The built program: `$TSRUN`, else dist/tsrun of this repository; absolute. */
export function programPath(): string {
  return resolve(process.env.TSRUN ?? 'dist/tsrun')
}

/**
 * Starts a program with its output in files: a container that lives on holds a pipe open, and then
 * nobody could tell where the output of its runtime ends.
 */
export function launch(command: readonly string[], options: RunOptions = {}): Running {
  const dir = mkdtempSync(join(tmpdir(), `tsrun-output-${process.pid}-`))
  const [out, err] = [join(dir, 'stdout'), join(dir, 'stderr')]
  const files = [openSync(out, 'a'), openSync(err, 'a')] as const
  const [file = '', ...args] = command
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: { ...(options.env ?? process.env), TSRUN: programPath() },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', ...files],
  })
  for (const fd of files) closeSync(fd)
  child.stdin?.on('error', () => {}) // a reader may end before it has read all
  child.stdin?.end(options.input)
  const read = (path: string) => () => readFileSync(path, 'utf8')
  const ended = new Promise<Outcome>((done, failed) => {
    child.once('error', failed)
    child.once('exit', (code, signal) => {
      done({
        code: code ?? SIGNALED + signalNumber(signal),
        stdout: read(out)(),
        stderr: read(err)(),
      })
      rmSync(dir, { recursive: true })
    })
  })
  return { child, pid: child.pid ?? -1, stdout: read(out), stderr: read(err), ended }
}

/** Runs a program to its end. @throws {Error} when it cannot be executed; not for an exit code */
export function run(command: readonly string[], options?: RunOptions): Promise<Outcome> {
  return launch(command, options).ended
}

/** Runs the built program with `args` to its end. */
export function tsrun(...args: string[]): Promise<Outcome> {
  return run([programPath(), ...args])
}

/**
 * A command line that runs `script` in sh(1) with `args` as `$@`; `$TSRUN` in it is the program.
 * For callers with a strange umask, closed descriptors, ignored signals.
 */
export function shell(script: string, ...args: string[]): string[] {
  return ['sh', '-c', script, 'sh', ...args]
}

function signalNumber(name: NodeJS.Signals | null): number {
  return name === null ? 0 : constants.signals[name]
}
