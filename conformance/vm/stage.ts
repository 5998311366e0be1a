/** What the guest gets of this repository: a directory that becomes its /srv/tsrun. */

import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'

export const ROOT = dirname(dirname(import.meta.dirname))
/** Where guest/job mounts it. */
const GUEST_ROOT = '/srv/tsrun'
/** Not in the guest: large, and not needed by programs that are bundled. */
const LEFT_OUT = new Set(['.git', '.tap', 'dist', 'node_modules'])
/** Emulation takes 10 to 20 times as long; tests wait longer and repeat less. */
const SLOWNESS = 10
const HIDDEN = 'node_modules/react-element-to-jsx-string'
/** What src/sys/ffi.ts loads on Node.js. */
const ADDON = 'node_modules/@koromix'

export interface Job {
  /** Runs in the root of the repository. */
  readonly command: readonly string[]
  readonly user: 'root' | 'tester'
  /** `NAME=VALUE`. */
  readonly environment: readonly string[]
}

/** A word for a shell. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}

function jobScript({ command, environment }: Job): string {
  return `export LANG=C.UTF-8 HOME=~ PATH=${GUEST_ROOT}/.vm/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
[ "$(systemd-detect-virt)" = kvm ] || export TSRUN_TEST_SLOW=${SLOWNESS}
cd ${GUEST_ROOT}
${environment.map((item) => `export ${quote(item)}\n`).join('')}exec ${command.map(quote).join(' ')}
`
}

/** The name that a test file has in the guest. */
export function bundledName(file: string): string {
  return relative(ROOT, file).replace(/\.ts$/, '.js')
}

/** What tests run as a program of its own. */
const PROGRAMS = ['src/testing/seccomp-agent.ts']

/** Runs `bun build`. @throws {Error} what it says */
function bunBuild(...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(
    join(ROOT, 'node_modules/.bin/bun'),
    ['build', '--target=node', ...args],
    { encoding: 'utf8', cwd: ROOT },
  )
  if (status !== 0) throw new Error(`cannot bundle: ${stderr || stdout}`)
}

/**
 * Makes of test files single files at the same places, which Node.js runs without `node_modules`:
 * tap's transpiler would take most of the time under emulation.
 *
 * @throws {Error} what Bun says
 */
export function stageTests(files: readonly string[], directory: string): void {
  const programs = PROGRAMS.map((file) => join(ROOT, file))
  bunBuild('--format=esm', '--root', ROOT, '--outdir', directory, ...files, ...programs)
  // tap requires it in a way that no bundler sees
  bunBuild('--format=cjs', '--outfile', join(directory, HIDDEN, 'index.js'), HIDDEN)
  cpSync(join(ROOT, ADDON), join(directory, ADDON), { recursive: true })
  const runner = join(import.meta.dirname, 'run-tests.ts')
  bunBuild('--format=esm', '--outfile', join(directory, '.vm/run-tests.js'), runner)
}

/**
 * Fills a directory.
 *
 * @param program - the built tsrun; the files beside it come along
 */
export function stage(directory: string, program: string, job: Job): void {
  const vm = join(directory, '.vm')
  cpSync(ROOT, directory, {
    recursive: true,
    filter: (source) => dirname(source) !== ROOT || !LEFT_OUT.has(basename(source)),
  })
  mkdirSync(join(directory, 'dist'))
  for (const name of ['tsrun', 'tsrun.engine', 'koffi.node']) {
    copyFileSync(join(dirname(program), name), join(directory, 'dist', name))
  }
  mkdirSync(join(vm, 'bin'), { recursive: true })
  copyFileSync(nodePath(), join(vm, 'bin/node'))
  writeFileSync(join(vm, 'job'), jobScript(job))
  writeFileSync(join(vm, 'user'), job.user)
  chmodSync(directory, 0o755)
}

/** The host's Node.js; this program itself may run on Bun. */
function nodePath(): string {
  const { stdout } = spawnSync('node', ['-p', 'process.execPath'], { encoding: 'utf8' })
  return stdout.trim()
}
