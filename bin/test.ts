/**
 * `npm test`, after bin/test has installed what it needs: the checks that run nothing, the build,
 * then tap. With arguments: the build, and tap with these. With `--checks-only` (`npm run check`):
 * only the checks. With CI=true, as .ci/run has it, the tests that start containers run once more in
 * a virtual machine. The last line says how many passed and failed.
 */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Counts, TestReport } from './test-report.ts'

const ROOT = dirname(import.meta.dirname)

/** What to look at before anything runs: its name, a program of node_modules, its arguments. */
const CHECKS = [
  ['generated files', 'bun', ['spec/generate.ts', '--check']],
  ['format and lint', 'biome', ['check']],
  ['types', 'tsc', ['-p', '.']],
] as const

/** Starts a program of node_modules. */
function start(name: string, args: readonly string[], stdio: SpawnOptions['stdio']): ChildProcess {
  return spawn(join(ROOT, 'node_modules/.bin', name), args, { cwd: ROOT, stdio })
}

/** The exit code, `null` after a signal. @throws {Error} the program cannot be started */
function exitCode(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
}

/** Runs one program and counts it as one test. */
async function check(
  title: string,
  program: string,
  args: readonly string[],
  counts: Counts,
): Promise<boolean> {
  const isGood = (await exitCode(start(program, args, ['ignore', 'inherit', 'inherit']))) === 0
  console.log(`${isGood ? 'ok' : 'not ok'} - ${title}`)
  counts[isGood ? 'passed' : 'failed'] += 1
  return isGood
}

async function tap(args: readonly string[]): Promise<Counts> {
  const child = start('tap', ['--reporter=tap', ...args], ['ignore', 'pipe', 'inherit'])
  const report = new TestReport((line) => console.log(line))
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => report.line(line))
  }
  return report.end(await exitCode(child))
}

/** What `npm run test:vm` ends with. */
const SUMMARY = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/

/** Most tests that start containers once more, in a virtual machine: shown, and counted. */
async function virtualMachine(): Promise<Counts> {
  console.log('\nin a virtual machine with cgroup v2 and systemd:')
  const child = spawn(join(ROOT, 'node_modules/.bin/bun'), ['conformance/vm/test.ts', '--brief'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TSRUN: join(ROOT, 'dist/tsrun') },
  })
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [found, ...numbers] = SUMMARY.exec(line) ?? []
    if (found === undefined) console.log(line)
    else [counts.passed, counts.failed, counts.skipped] = numbersOf(numbers)
  })
  const code = await exitCode(child)
  if (code !== 0 && counts.failed === 0) {
    console.log(`not ok - virtual machine: exit code ${code}`)
    counts.failed = 1
  }
  return counts
}

function numbersOf([passed, failed, skipped]: (string | undefined)[]): [number, number, number] {
  return [Number(passed ?? 0), Number(failed ?? 0), Number(skipped ?? 0)]
}

/** Adds `more` to `counts`. */
function add(counts: Counts, more: Counts): void {
  counts.passed += more.passed
  counts.failed += more.failed
  counts.skipped += more.skipped
}

async function main(words: readonly string[]): Promise<number> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  const checksOnly = words.includes('--checks-only')
  if (words.length === 0 || checksOnly) {
    for (const [title, program, args] of CHECKS) await check(title, program, args, counts)
  }
  if (!checksOnly && (await check('build', 'bun', ['bin/build.ts'], counts))) {
    add(counts, await tap(words))
    const isCi = process.env.CI === 'true' && process.geteuid?.() === 0
    if (isCi && words.length === 0 && process.arch === 'x64') add(counts, await virtualMachine())
  }
  const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`
  console.log(`\n${counts.passed} passed, ${counts.failed} failed${skipped}`)
  return counts.failed === 0 ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))
