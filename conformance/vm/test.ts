/**
 * `npm run test:vm`: tests in a virtual machine with systemd and cgroup v2. See README.md.
 */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { parseArgs } from 'node:util'
import { TestReport } from '../../bin/test-report.ts'
import {
  type CGROUPS,
  hasKvm,
  MachineError,
  type MachineOptions,
  makeDisk,
  runMachine,
} from './machine.ts'
import { bundledName, type Job, ROOT, stage, stageTests } from './stage.ts'

const USAGE = `usage: npm run test:vm -- [OPTION]... [FILE]... [-- COMMAND [ARGUMENT]...]
  FILE             a test file; without any, those that start containers
  COMMAND          to be run in the root of the repository instead of the tests
  --brief          without FILE: leave out those about tsrun and its caller alone
  --user           as the user "tester", below its own systemd, instead of as root
  --env NAME=VALUE a variable for the tests or the command (may be repeated)
  --cgroups MODE   v2 (the default), hybrid or v1
  --timeout SECS   for the whole machine (default 1800)
Variables: TSRUN (a built program, instead of building one), TSRUN_VM_DIR (for the image).`

const OPTIONS = {
  brief: { type: 'boolean', default: false },
  user: { type: 'boolean', default: false },
  env: { type: 'string', multiple: true, default: [] as string[] },
  cgroups: { type: 'string', default: 'v2' },
  timeout: { type: 'string', default: '1800' },
  help: { type: 'boolean', default: false },
} as const

const DEFAULT_FILES = ['src/**/*.cli.test.ts', 'src/threats/*.test.ts']

/** Not with --brief: about tsrun and its caller, for whom one kernel and cgroup version is like another. */
const CALLERS_SIDE =
  /\/(console-socket|descriptors|errors|exec-(hand-over|process|terminal)|foreground-terminal|list|notify|pidfd-socket|signals|spec|standard-streams|state)\.cli\.test\.ts$/

/** Where the image is kept. */
function imageDirectory(): string {
  const { TSRUN_VM_DIR, XDG_CACHE_HOME } = process.env
  return resolve(TSRUN_VM_DIR || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'tsrun-vm'))
}

/** @throws {Error} the program failed; it has said why */
function mustRun(file: string, ...args: string[]): void {
  const { status, error } = spawnSync(file, args, { cwd: ROOT, stdio: 'inherit' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${file} failed`)
}

/** The program to test: $TSRUN, or else what the repository builds. */
function builtProgram(): string {
  if (process.env.TSRUN) return resolve(process.env.TSRUN)
  mustRun(join(ROOT, 'node_modules/.bin/bun'), 'bin/build.ts')
  return join(ROOT, 'dist/tsrun')
}

type Machine = Pick<MachineOptions, 'images' | 'timeoutSeconds' | 'cgroups'>
type Takers = Pick<MachineOptions, 'onOutput' | 'onError'>

/** Stages, boots, runs. @returns the command's exit code */
async function run(
  machine: Machine,
  job: Job,
  files: readonly string[],
  takers: Takers,
): Promise<number> {
  const program = builtProgram()
  const scratch = mkdtempSync(join(tmpdir(), 'tsrun-vm-'))
  try {
    const [directory, disk] = [join(scratch, 'files'), join(scratch, 'disk.img')]
    mkdirSync(directory)
    stage(directory, program, job)
    if (files.length > 0) stageTests(files, directory)
    makeDisk(disk, directory)
    const options = { ...machine, ...takers, disk }
    const code = hasKvm() ? await runMachine({ ...options, accelerator: 'kvm' }) : undefined
    return code ?? (await runMachine({ ...options, accelerator: 'tcg' })) ?? 1
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** Hands the lines of what comes in chunks to the report. */
function lineReader(report: TestReport): (chunk: Buffer) => void {
  const decoder = new StringDecoder()
  let rest = ''
  return (chunk) => {
    const lines = (rest + decoder.write(chunk)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) report.line(line)
  }
}

async function runTests(machine: Machine, job: Job, files: readonly string[]): Promise<number> {
  const report = new TestReport((line) => console.log(line))
  let code = 1
  try {
    code = await run(machine, job, files, {
      onOutput: lineReader(report),
      onError: (chunk) => process.stderr.write(chunk),
    })
  } catch (error) {
    if (!(error instanceof MachineError)) throw error
    console.error(error.message)
  }
  const { passed, failed, skipped } = report.end(code)
  console.log(`\n${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`)
  return failed === 0 ? 0 : 1
}

function findFiles(patterns: readonly string[]): string[] {
  // as a shell does it: node:fs has no glob in Node.js 20
  const script = 'shopt -s globstar nullglob; for f in $1; do echo "$f"; done'
  const found = patterns.flatMap((pattern) => {
    const { stdout } = spawnSync('bash', ['-c', script, 'bash', pattern], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    const files = stdout.split('\n').filter(Boolean)
    if (files.length === 0) throw new Error(`no test file: ${pattern}`)
    return files
  })
  return found.map((file) => join(ROOT, file))
}

function cgroupsMode(word: string): keyof typeof CGROUPS {
  if (word === 'v2' || word === 'hybrid' || word === 'v1') return word
  throw new Error(`--cgroups ${word}: v2, hybrid or v1`)
}

async function main(words: readonly string[]): Promise<number> {
  const end = words.indexOf('--')
  const command = end < 0 ? [] : words.slice(end + 1)
  const { values, positionals } = parseArgs({
    args: end < 0 ? [...words] : words.slice(0, end),
    options: OPTIONS,
    allowPositionals: true,
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const images = imageDirectory()
  mustRun(join(import.meta.dirname, 'build'), images)
  const machine = {
    images,
    timeoutSeconds: Number(values.timeout),
    cgroups: cgroupsMode(values.cgroups),
  }
  const defaults = command.length > 0 ? [] : DEFAULT_FILES
  const files = findFiles(positionals.length > 0 ? positionals : defaults).filter(
    (file) => !values.brief || !CALLERS_SIDE.test(file),
  )
  const job: Job = {
    command: command.length > 0 ? command : ['node', '.vm/run-tests.js', ...files.map(bundledName)],
    user: values.user ? 'tester' : 'root',
    environment: values.env,
  }
  if (command.length === 0) return await runTests(machine, job, files)
  return await run(machine, job, files, {
    onOutput: (chunk) => process.stdout.write(chunk),
    onError: (chunk) => process.stderr.write(chunk),
  })
}

process.exitCode = await main(process.argv.slice(2))
