/** Programs that the benchmark starts, and how they come to be there. */

import { spawnSync } from 'node:child_process'

/** Programs and the Debian packages that they are in. */
const PACKAGES: Readonly<Record<string, string>> = {
  hyperfine: 'hyperfine',
  busybox: 'busybox-static',
  runc: 'runc',
  crun: 'crun',
  '/usr/bin/time': 'time',
}

/**
 * Runs a program to its end.
 *
 * @param words - the program and its arguments
 * @param options.discard - no pipes, which a container that stays would hold
 * @returns what it wrote to standard output and to standard error, if not discarded
 * @throws {Error} it cannot be started, or its exit code is not 0
 */
export function runProgram(
  words: readonly string[],
  options: { readonly discard?: boolean } = {},
): { readonly stdout: string; readonly stderr: string } {
  const [program = '', ...args] = words
  const { error, status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    stdio: options.discard ? ['ignore', 'ignore', 'inherit'] : ['ignore', 'pipe', 'pipe'],
  })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${words.join(' ')}: exit code ${status}\n${stderr ?? ''}`)
  return { stdout: stdout ?? '', stderr: stderr ?? '' }
}

/** True if `program` is a path that exists or a name in $PATH. */
export function hasProgram(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v -- "$0"', program], { stdio: 'ignore' }).status === 0
}

/** Installs the packages of the programs that are missing. @throws {Error} apt-get fails */
export function installPrograms(programs: readonly string[]): void {
  const missing = programs.filter((program) => !hasProgram(program))
  if (missing.length === 0) return
  const packages = missing.map((program) => PACKAGES[program] ?? program)
  console.log(`installing ${packages.join(' ')}`)
  runProgram(['apt-get', '-qq', 'update'])
  const env = 'DEBIAN_FRONTEND=noninteractive'
  const install = ['apt-get', '-qq', '-y', 'install', '--no-install-recommends']
  runProgram(['env', env, ...install, ...packages])
}
