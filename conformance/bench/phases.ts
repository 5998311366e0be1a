import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Fixture } from './fixture.ts'
import { runProgram } from './program.ts'
import type { Runtime } from './runtimes.ts'
import { median } from './statistics.ts'

const RUNS = 30

/** One phase of `run`: medians of its length and of its end since the start of the process. */
export interface PhaseResult {
  readonly phase: string
  readonly medianMs: number
  readonly endMs: number
}

/** Reads the phases of our own `run` from its debug records, which cost a little time themselves. */
export function timePhases(tsrun: Runtime, fixture: Fixture): PhaseResult[] {
  const log = join(fixture.bundle, 'log.json')
  const [program = '', ...options] = fixture.command(tsrun)
  const debug = ['--debug', '--log', log, '--log-format', 'json']
  const phases = new Map<string, { ms: number[]; at: number[] }>()
  for (let i = 0; i < RUNS; i += 1) {
    rmSync(log, { force: true })
    runProgram([program, ...debug, ...options, 'run', '--bundle', fixture.bundle, 'bench-phases'])
    for (const line of readFileSync(log, 'utf8').split('\n')) {
      if (line !== '') collect(phases, line)
    }
  }
  return [...phases].map(([phase, { ms, at }]) => ({
    phase,
    medianMs: Number(median(ms).toFixed(3)),
    endMs: Number(median(at).toFixed(3)),
  }))
}

function collect(phases: Map<string, { ms: number[]; at: number[] }>, line: string): void {
  const { phase, ms, at } = JSON.parse(line) as { phase?: string; ms?: number; at?: number }
  if (phase === undefined || ms === undefined || at === undefined) return
  const seen = phases.get(phase) ?? { ms: [], at: [] }
  seen.ms.push(ms)
  seen.at.push(at)
  phases.set(phase, seen)
}
