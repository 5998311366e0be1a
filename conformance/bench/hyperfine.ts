import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runProgram } from './program.ts'

/** Quotes a word for hyperfine, which splits commands as a shell does. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}

/**
 * Runs a command `runs` times, after two runs that do not count, without a shell.
 *
 * @returns wall-clock times in ms
 * @throws {Error} hyperfine fails, or one of the runs
 */
export function timeCommand(words: readonly string[], runs: number): number[] {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-hyperfine-'))
  const file = join(directory, 'times.json')
  const options = ['--shell=none', '--style=none', '--warmup=2', `--runs=${runs}`]
  try {
    runProgram(['hyperfine', ...options, `--export-json=${file}`, words.map(quote).join(' ')])
    const { results } = JSON.parse(readFileSync(file, 'utf8')) as {
      results: { times: number[] }[]
    }
    return (results[0]?.times ?? []).map((seconds) => seconds * 1000)
  } finally {
    rmSync(directory, { recursive: true })
  }
}
