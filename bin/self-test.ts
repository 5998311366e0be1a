/**
 * Checks what tsrun takes for granted of the engine (Bun is free to change it with any release):
 * `bun bin/self-test.ts [DIRECTORY]`, and at the end of each build. What needs code inside is seen
 * through a second small engine, so that the shipped one has no test hooks.
 */

import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileEngine, ROOT } from './compile-engine.ts'

/** Variables that a bare engine obeys. Each must be without effect through the launcher. */
const HOSTILE: Readonly<Record<string, string>> = {
  BUN_BE_BUN: '1',
  BUN_OPTIONS: '--preload ./evil.js',
  BUN_INSPECT: 'ws://127.0.0.1:0/x?wait=1',
  BUN_INSPECT_PRELOAD: './evil.js',
  BUN_JSC_noSuchOption: '1',
  NODE_OPTIONS: '--require ./evil.js',
  LD_PRELOAD: '/nonexistent/evil.so',
  LD_AUDIT: '/nonexistent/evil.so',
  TSRUN_LIB: '/nonexistent',
}

const CLONES = 500
const PATIENCE_MS = 120_000

interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

type Start = (args: readonly string[], env?: Readonly<Record<string, string>>) => Outcome

function expect(isSo: boolean, assumption: string, found: unknown): void {
  if (isSo) return
  throw new Error(`self-test: broken assumption: ${assumption}; found ${JSON.stringify(found)}`)
}

/** Starts the launcher in `lib` with its working directory in `untrusted`. */
function starter(lib: string, untrusted: string): Start {
  return (args, env = {}) => {
    const options = { cwd: untrusted, encoding: 'utf8', timeout: PATIENCE_MS } as const
    const { status, stdout, stderr, error } = spawnSync(join(lib, 'tsrun'), args, {
      ...options,
      env: { PATH: '/usr/bin:/bin', ...env },
    })
    return { status, stdout, stderr: error === undefined ? stderr : `${stderr}${error.message}` }
  }
}

/** Files that a bare engine would take from the working directory; `evil.js` leaves a trace. */
function writeTraps(untrusted: string): void {
  const trace = JSON.stringify(join(untrusted, 'trace'))
  writeFileSync(join(untrusted, 'evil.js'), `require('node:fs').writeFileSync(${trace}, '')\n`)
  writeFileSync(join(untrusted, 'bunfig.toml'), 'preload = ["./evil.js"]\n')
  writeFileSync(join(untrusted, '.env'), 'FROM_DOTENV=1\n')
  writeFileSync(join(untrusted, 'tsconfig.json'), '{ "extends": "./missing.json"\n')
  writeFileSync(join(untrusted, 'package.json'), '{ "name": 1,\n')
}

function ask<T>(start: Start, question: readonly string[], env?: Record<string, string>): T {
  const outcome = start(question, env)
  const isAnswer = outcome.status === 0 && outcome.stderr === ''
  expect(isAnswer, `an engine starts with ${JSON.stringify(env ?? {})}`, outcome)
  return JSON.parse(outcome.stdout) as T
}

function checkThreads(start: Start): void {
  const { threads, hasCodeMemory } = ask<{ threads: number; hasCodeMemory: boolean }>(start, [
    'threads',
  ])
  expect(threads === 1, 'one thread after 10 MB of garbage', { threads })
  expect(!hasCodeMemory, 'no memory is writable and executable', { hasCodeMemory })
  const { hung, failed } = ask<{ hung: number; failed: number }>(start, ['clones', `${CLONES}`])
  const isGood = hung === 0 && failed === 0
  expect(isGood, `${CLONES} clones that collect garbage all end well`, { hung, failed })
}

function checkEnvironment(start: Start, untrusted: string): void {
  for (const [name, value] of Object.entries(HOSTILE)) {
    const { env } = ask<{ env: Record<string, string> }>(start, ['environment'], { [name]: value })
    expect(env[name] !== value, `${name} does not reach the engine`, env)
    expect(env.FROM_DOTENV === undefined, '.env of the working directory is not read', env)
    expect(!existsSync(join(untrusted, 'trace')), `no script is run for ${name}`, 'evil.js ran')
  }
}

function checkArguments(start: Start): void {
  for (const args of [['--version'], ['-e', '1'], ['--inspect'], ['run', 'x'], ['--', '--help']]) {
    const { argv } = ask<{ argv: string[] }>(start, ['environment', ...args])
    const got = argv.slice(3)
    expect(JSON.stringify(got) === JSON.stringify(args), 'arguments pass untouched', argv)
  }
}

/** The shipped engine itself: `--version` says the same in a hostile environment. */
function checkShipped(start: Start, untrusted: string): void {
  const usual = start(['--version'])
  expect(usual.status === 0, 'tsrun --version succeeds', usual)
  expect(/^\w+ version /.test(usual.stdout), 'tsrun --version is answered by tsrun', usual)
  const hostile = start(['--version'], HOSTILE)
  const isSame = hostile.stdout === usual.stdout && hostile.stderr === usual.stderr
  expect(isSame, 'the environment does not change tsrun --version', hostile)
  expect(!existsSync(join(untrusted, 'trace')), 'tsrun runs no foreign script', 'evil.js ran')
  const revision = start(['--revision'])
  const isBun = /^\d+\.\d+\.\d+/.test(revision.stdout)
  expect(!isBun, 'the payload is in the executable: --revision is not answered by Bun', revision)
}

/**
 * Checks launcher and engine in `directory`.
 *
 * @throws {Error} naming the assumption that does not hold
 */
export function selfTest(directory: string): void {
  const scratch = mkdtempSync(join(tmpdir(), 'tsrun-self-test-'))
  const untrusted = mkdtempSync(join(tmpdir(), 'tsrun-self-test-'))
  try {
    writeTraps(untrusted)
    compileEngine(join(ROOT, 'bin/self-test-engine.ts'), join(scratch, 'tsrun.engine'))
    copyFileSync(join(directory, 'tsrun'), join(scratch, 'tsrun'))
    const startTest = starter(scratch, untrusted)
    checkEnvironment(startTest, untrusted)
    checkArguments(startTest)
    checkThreads(startTest)
    checkShipped(starter(directory, untrusted), untrusted)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
    rmSync(untrusted, { recursive: true, force: true })
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    selfTest(process.argv[2] ?? join(ROOT, 'dist'))
    console.log('self-test: passed')
  } catch (thrown) {
    console.error(thrown instanceof Error ? thrown.message : thrown)
    process.exit(1)
  }
}
