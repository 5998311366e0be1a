/** What the benchmark works on: a bundle, a state directory a runtime, containers that wait. */

import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { engineProfile } from '../../src/testing/seccomp-profile.ts'
import { runProgram } from './program.ts'
import type { Runtime } from './runtimes.ts'

/** How many containers `list` finds. */
export const LISTED = 10

export interface Fixture extends Disposable {
  /** Runs /bin/true of busybox, else as `tsrun spec` writes it. */
  readonly bundle: string
  /** The same with a seccomp profile of 350 rules. */
  readonly filtered: string
  /** A script: create, start and delete, by the words that it is given. */
  readonly cycle: string
  /** The words that begin each command of `runtime`. */
  command(runtime: Runtime): readonly string[]
}

/** Id of the waiting container number `i`: its own for each runtime, as are the cgroups. */
export function listedId({ name }: Runtime, i: number): string {
  return `bench-${name}-${i}`
}

interface BenchSpec {
  readonly process: object
  readonly linux: object
}

function writeBundle(bundle: string, tsrun: string, more: object = {}): void {
  const bin = join(bundle, 'rootfs/bin')
  mkdirSync(bin, { recursive: true })
  const busybox = runProgram(['sh', '-c', 'command -v busybox']).stdout.trim()
  copyFileSync(busybox, join(bin, 'busybox'))
  symlinkSync('busybox', join(bin, 'true'))
  runProgram([tsrun, 'spec', '--bundle', bundle])
  const file = join(bundle, 'config.json')
  const spec = JSON.parse(readFileSync(file, 'utf8')) as BenchSpec
  const process = { ...spec.process, terminal: false, args: ['/bin/true'] }
  // older releases of crun refuse versions that they do not know
  const linux = { ...spec.linux, ...more }
  writeFileSync(file, JSON.stringify({ ...spec, ociVersion: '1.0.2', process, linux }))
}

function writeCycle(file: string, bundle: string): void {
  const id = 'bench-cycle'
  const lines = [
    'set -e',
    `"$@" create --bundle ${bundle} ${id}`,
    `"$@" start ${id}`,
    `"$@" delete --force ${id}`,
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
}

/** Makes all of it below a temporary directory; disposing of it removes it with its containers. */
export function makeFixture(runtimes: readonly Runtime[], tsrun: string): Fixture {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-bench-'))
  const bundle = join(directory, 'bundle')
  const filtered = join(directory, 'filtered')
  const cycle = join(directory, 'cycle')
  const command = ({ name, program }: Runtime) => [program, '--root', join(directory, name)]
  const fixture = {
    bundle,
    filtered,
    cycle,
    command,
    [Symbol.dispose]() {
      for (const runtime of runtimes) deleteAll(command(runtime))
      rmSync(directory, { recursive: true, force: true })
    },
  }
  try {
    writeBundle(bundle, tsrun)
    writeBundle(filtered, tsrun, { seccomp: engineProfile() })
    writeCycle(cycle, bundle)
    for (const runtime of runtimes) {
      for (let i = 0; i < LISTED; i += 1) {
        const words = [...command(runtime), 'create', '--bundle', bundle, listedId(runtime, i)]
        runProgram(words, { discard: true })
      }
    }
    return fixture
  } catch (error) {
    fixture[Symbol.dispose]()
    throw error
  }
}

/** Deletes what a runtime lists; a failure is shown, and does not keep the others. */
function deleteAll(words: readonly string[]): void {
  try {
    for (const id of runProgram([...words, 'list', '--quiet']).stdout.split('\n')) {
      if (id !== '') runProgram([...words, 'delete', '--force', id])
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
  }
}
