/**
 * `npm run bench -- [--runs N] [--rounds N] [--tsrun PATH]`: tsrun beside Debian's runc and crun,
 * on one bundle and in turns. Prints tables and writes results/latest.json. Needs root.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { makeFixture } from './fixture.ts'
import { type MemoryResult, measureMemory } from './memory.ts'
import { type OperationResult, timeOperations } from './operations.ts'
import { type PhaseResult, timePhases } from './phases.ts'
import { installPrograms, runProgram } from './program.ts'
import { findRuntimes, type Runtime, withoutHybridCgroups } from './runtimes.ts'
import { cell, textTable } from './table.ts'

const ROOT = dirname(dirname(import.meta.dirname))
const PROGRAMS = ['hyperfine', 'busybox', 'runc', 'crun', '/usr/bin/time']

interface Results {
  readonly operations: readonly OperationResult[]
  readonly phases: readonly PhaseResult[]
  readonly memory: readonly MemoryResult[]
}

/** @throws {Error} not a positive whole number */
function positive(name: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`--${name} is not a positive number: ${text}`)
  return Number(text)
}

/** The program to measure: `path`, or what the repository builds (if that is yet to be done). */
function findTsrun(path: string | undefined): string {
  if (path !== undefined) return resolve(path)
  runProgram([join(ROOT, 'bin/tsrun'), '--version'])
  return join(ROOT, 'dist/tsrun')
}

function measure(
  runtimes: readonly Runtime[],
  tsrun: string,
  runs: number,
  rounds: number,
): Results {
  using fixture = makeFixture(runtimes, tsrun)
  return {
    operations: timeOperations(runtimes, fixture, { runs, rounds }),
    phases: runtimes
      .filter(({ name }) => name === 'tsrun')
      .flatMap((runtime) => timePhases(runtime, fixture)),
    memory: runtimes.map((runtime) => measureMemory(runtime, fixture)),
  }
}

function show({ operations, phases, memory }: Results): string {
  return [
    textTable([
      ['median, ms', 'runc', 'tsrun', 'crun', 'tsrun/runc', 'crun/runc'],
      ...operations.map(({ name, medianMs, ratioToRunc }) => [
        name,
        cell(medianMs.runc),
        cell(medianMs.tsrun),
        cell(medianMs.crun),
        cell(ratioToRunc.tsrun),
        cell(ratioToRunc.crun),
      ]),
    ]),
    '\n',
    textTable([
      ['phases of tsrun run', 'median, ms', 'end, ms'],
      ...phases.map(({ phase, medianMs, endMs }) => [phase, cell(medianMs), cell(endMs)]),
    ]),
    '\n',
    textTable([
      ['memory of run', 'peak, kB', 'minor faults', 'major faults'],
      ...memory.map(({ runtime, peakKilobytes, minorFaults, majorFaults }) => [
        runtime,
        cell(peakKilobytes, 0),
        cell(minorFaults, 0),
        cell(majorFaults, 0),
      ]),
    ]),
  ].join('')
}

function main(): number {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '100' },
      rounds: { type: 'string', default: '5' },
      tsrun: { type: 'string' },
    },
  })
  const runs = positive('runs', values.runs)
  const rounds = Math.min(positive('rounds', values.rounds), runs)
  if (process.getuid?.() !== 0) throw new Error('containers need root')
  // a child that is interrupted fails, and the failure cleans up
  process.on('SIGINT', () => {})
  const code = withoutHybridCgroups()
  if (code !== undefined) return code
  installPrograms(PROGRAMS)
  const tsrun = findTsrun(values.tsrun)
  const runtimes = findRuntimes(tsrun)
  console.log(runtimes.map(({ name, version }) => `${name}: ${version}`).join('\n'))
  console.log(`${runs} runs of each in ${rounds} rounds; Linux ${release()}\n`)
  const results = measure(runtimes, tsrun, runs, rounds)
  console.log(show(results))
  const file = join(import.meta.dirname, 'results/latest.json')
  mkdirSync(dirname(file), { recursive: true })
  const versions = Object.fromEntries(runtimes.map(({ name, version }) => [name, version]))
  const processors = cpus().map(({ model }) => model)
  const host = { kernel: release(), processors }
  const record = { date: new Date().toISOString(), host, versions, runs, rounds, ...results }
  writeFileSync(file, `${JSON.stringify(record, null, 2)}\n`)
  console.log(`written to ${file}`)
  return 0
}

try {
  process.exitCode = main()
} catch (thrown) {
  console.error(`bench: ${thrown instanceof Error ? thrown.message : thrown}`)
  process.exit(1)
}
