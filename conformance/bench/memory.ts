import type { Fixture } from './fixture.ts'
import { runProgram } from './program.ts'
import type { Runtime, RuntimeName } from './runtimes.ts'
import { median } from './statistics.ts'

const RUNS = 5

/** Of one `run`: the largest resident set of a process in it, and the page faults of all. */
export interface MemoryResult {
  readonly runtime: RuntimeName
  readonly peakKilobytes: number
  readonly minorFaults: number
  readonly majorFaults: number
}

/**
 * Measures memory with time(1): the kernel counts a parent's pages as its child's peak until the
 * child's execve, and time is smaller than any of the measured programs.
 *
 * @see getrusage(2)
 */
export function measureMemory(runtime: Runtime, fixture: Fixture): MemoryResult {
  const words = [...fixture.command(runtime), 'run', '--bundle', fixture.bundle, 'bench-memory']
  const lines = Array.from({ length: RUNS }, () => {
    const { stderr } = runProgram(['/usr/bin/time', '--format', '%M %R %F', ...words])
    return stderr.trim().split(' ').map(Number)
  })
  const column = (i: number) => median(lines.map((line) => line[i] ?? Number.NaN))
  return {
    runtime: runtime.name,
    peakKilobytes: column(0),
    minorFaults: column(1),
    majorFaults: column(2),
  }
}
