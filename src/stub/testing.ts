/** For the tests of this folder: runs programs of either machine, the foreign one under qemu. */

import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './instructions.ts'
import { buildLastExec } from './last-exec.ts'
import type { Arg, Program, Row, RowMode } from './program.ts'

const NATIVE: Machine = process.arch === 'arm64' ? 'aarch64' : 'x86-64'

/** System call numbers by machine. */
const NUMBERS = {
  'x86-64': {
    read: 0,
    write: 1,
    getpid: 39,
    clone: 56,
    execve: 59,
    kill: 62,
    fcntl: 72,
    getppid: 110,
    prctl: 157,
    exitGroup: 231,
    openat: 257,
    readlinkat: 267,
    dup3: 292,
    seccomp: 317,
    memfdCreate: 319,
    execveat: 322,
    rtSigaction: 13,
  },
  aarch64: {
    read: 63,
    write: 64,
    getpid: 172,
    clone: 220,
    execve: 221,
    kill: 129,
    fcntl: 25,
    getppid: 173,
    prctl: 167,
    exitGroup: 94,
    openat: 56,
    readlinkat: 78,
    dup3: 24,
    seccomp: 277,
    memfdCreate: 279,
    execveat: 281,
    rtSigaction: 134,
  },
} as const

/** The name of a system call that tests make. */
export type Call = keyof (typeof NUMBERS)[Machine]

/** A machine and how to run its programs here. */
export interface Runner {
  readonly machine: Machine
  readonly isNative: boolean
  /** What goes in front of a command; empty on the machine itself. */
  readonly prefix: readonly string[]
  /** Why its programs cannot be run, or false. */
  readonly skip: string | false
}

function find(names: readonly string[]): string | undefined {
  const directories = (process.env.PATH ?? '').split(':')
  return directories
    .flatMap((directory) => names.map((name) => join(directory, name)))
    .find((path) => existsSync(path))
}

function runnerOf(machine: Machine): Runner {
  if (machine === NATIVE) return { machine, isNative: true, prefix: [], skip: false }
  const name = machine === 'aarch64' ? 'qemu-aarch64' : 'qemu-x86_64'
  const emulator = find([`${name}-static`, name])
  const skip = emulator === undefined ? `${name} (qemu-user) is not installed` : false
  return { machine, isNative: false, prefix: emulator === undefined ? [] : [emulator], skip }
}

/** Both machines. */
export const RUNNERS: readonly Runner[] = [runnerOf('x86-64'), runnerOf('aarch64')]

/** The machine itself. */
export const NATIVE_RUNNER: Runner = runnerOf(NATIVE)

/** A row by the name of its call. */
export type NamedRow = readonly [Call, readonly Arg[], RowMode?, Row['dst']?]

/** Rows with the numbers of `machine`; the mode is `fatal` unless said. */
export function rows(machine: Machine, named: readonly NamedRow[]): Row[] {
  return named.map(([call, args, mode = 'fatal', dst]) => {
    const row = { nr: NUMBERS[machine][call], args, mode }
    return dst === undefined ? row : { ...row, dst }
  })
}

/** A program that reports to descriptor 3. */
export function program(machine: Machine, named: readonly NamedRow[]): Program {
  return { rows: rows(machine, named), reportFd: 3, execFailurePrefix: 'exec /run.sh: ' }
}

/** How a program ended, and what came out of it. `report` is what it wrote to descriptor 3. */
export interface Outcome {
  readonly status: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
  readonly report: Buffer
}

/** Runs a command of `runner`'s machine with `input` on descriptor 0. */
export function run(
  runner: Runner,
  command: readonly [string, ...string[]],
  options: { input?: string; env?: Record<string, string>; argv0?: string } = {},
): Outcome {
  const [file = '', ...args] = [...runner.prefix, ...command]
  const { status, signal, output } = spawnSync(file, args, {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    timeout: 30_000,
    maxBuffer: 1 << 26,
    ...options,
  })
  const [, stdout, stderr, report] = output as (Buffer | null | undefined)[]
  return {
    status,
    signal,
    stdout: `${stdout ?? ''}`,
    stderr: `${stderr ?? ''}`,
    report: report ?? Buffer.alloc(0),
  }
}

/** Builds the last-exec stub of `named`, writes it to `path` and runs it. */
export function runRows(
  runner: Runner,
  path: string,
  named: readonly NamedRow[],
  options: { input?: string } = {},
): Outcome {
  const image = buildLastExec(runner.machine, program(runner.machine, named))
  writeFileSync(path, image, { mode: 0o755 })
  return run(runner, [path], options)
}
