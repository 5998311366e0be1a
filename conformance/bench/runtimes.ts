import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { runProgram } from './program.ts'

export type RuntimeName = 'runc' | 'tsrun' | 'crun'

/** One of the compared programs. */
export interface Runtime {
  readonly name: RuntimeName
  readonly program: string
  /** First line of its `--version`. */
  readonly version: string
}

function describe(name: RuntimeName, program: string): Runtime {
  const { stdout } = runProgram([program, '--version'])
  return { name, program, version: stdout.split('\n', 1)[0] ?? '' }
}

/** The compared runtimes: runc, the base of all ratios, first. `tsrun` is the program's path. */
export function findRuntimes(tsrun: string): readonly Runtime[] {
  return [describe('runc', 'runc'), describe('tsrun', tsrun), describe('crun', 'crun')]
}

const UNIFIED = '/sys/fs/cgroup/unified'

function isHybridWithControllers(): boolean {
  try {
    return readFileSync(`${UNIFIED}/cgroup.controllers`, 'utf8').trim() !== ''
  } catch {
    return false
  }
}

/**
 * crun refuses a hybrid hierarchy of cgroups whose version 2 part has controllers. Where the host
 * is so, this program runs once more in a mount namespace without that part, for all runtimes.
 *
 * @returns the exit code of that other run, `undefined` if there is no need for it
 */
export function withoutHybridCgroups(): number | undefined {
  if (!isHybridWithControllers()) return undefined
  console.log(`crun refuses this host's hybrid cgroups: all runtimes run without ${UNIFIED}`)
  const script = `umount ${UNIFIED} && exec "$@"`
  const again = ['--mount', 'sh', '-c', script, 'sh', process.execPath, ...process.argv.slice(1)]
  const { error, status } = spawnSync('unshare', again, { stdio: 'inherit' })
  if (error !== undefined) throw error
  return status ?? 1
}
