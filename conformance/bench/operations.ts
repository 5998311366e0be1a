import { type Fixture, LISTED, listedId } from './fixture.ts'
import { timeCommand } from './hyperfine.ts'
import type { Runtime, RuntimeName } from './runtimes.ts'
import { median, ratio } from './statistics.ts'

/** One line of the table: what is done, and the words that do it. */
interface Operation {
  readonly name: string
  words(runtime: Runtime, fixture: Fixture): readonly string[]
}

const OPERATIONS: readonly Operation[] = [
  { name: '--version', words: ({ program }) => [program, '--version'] },
  {
    name: 'run',
    words: (runtime, { bundle, command }) => [
      ...command(runtime),
      'run',
      '--bundle',
      bundle,
      'bench-run',
    ],
  },
  {
    name: 'run, with a profile of seccomp',
    words: (runtime, { filtered, command }) => [
      ...command(runtime),
      'run',
      '--bundle',
      filtered,
      'bench-run',
    ],
  },
  {
    name: 'create + start + delete',
    words: (runtime, { cycle, command }) => ['sh', cycle, ...command(runtime)],
  },
  {
    name: 'state',
    words: (runtime, { command }) => [...command(runtime), 'state', listedId(runtime, 0)],
  },
  {
    name: `list (${LISTED} containers)`,
    words: (runtime, { command }) => [...command(runtime), 'list'],
  },
]

/** Medians in ms and ratios against runc. */
export interface OperationResult {
  readonly name: string
  readonly medianMs: Readonly<Partial<Record<RuntimeName, number>>>
  readonly ratioToRunc: Readonly<Partial<Record<RuntimeName, number>>>
}

/**
 * Times each operation in `rounds` rounds, in each of which every runtime has its turn, so that a
 * change of the machine's speed meets all of them.
 */
export function timeOperations(
  runtimes: readonly Runtime[],
  fixture: Fixture,
  { runs, rounds }: { readonly runs: number; readonly rounds: number },
): OperationResult[] {
  return OPERATIONS.map((operation) => {
    const times = runtimes.map((runtime) => ({ runtime, all: [] as number[] }))
    for (let round = 0; round < rounds; round += 1) {
      for (const { runtime, all } of times) {
        all.push(...timeCommand(operation.words(runtime, fixture), Math.ceil(runs / rounds)))
      }
    }
    return summarize(operation.name, times)
  })
}

function summarize(
  name: string,
  times: readonly { readonly runtime: Runtime; readonly all: readonly number[] }[],
): OperationResult {
  const medianMs: Partial<Record<RuntimeName, number>> = {}
  const ratioToRunc: Partial<Record<RuntimeName, number>> = {}
  for (const { runtime, all } of times) medianMs[runtime.name] = Number(median(all).toFixed(3))
  for (const { runtime } of times) {
    const quotient = ratio(medianMs[runtime.name], medianMs.runc)
    if (quotient !== undefined) ratioToRunc[runtime.name] = quotient
  }
  return { name, medianMs, ratioToRunc }
}
