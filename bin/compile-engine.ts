/** Compiles a program to an engine: an executable of Bun that the launcher starts. */

import { spawnSync } from 'node:child_process'
import { closeSync, copyFileSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/**
 * Files of the working directory, often an untrusted bundle, are not read; no thread compiles
 * machine code. Bun ignores flags that it does not know, so self-test.ts looks at the effects.
 */
const FLAGS = [
  '--compile',
  '--bytecode',
  '--format=esm',
  '--minify',
  '--splitting',
  '--target=bun',
  '--no-compile-autoload-bunfig',
  '--no-compile-autoload-dotenv',
  '--no-compile-autoload-tsconfig',
  '--no-compile-autoload-package-json',
  '--compile-jit-policy=1000000',
]

/** The processor in the words of npm packages: `x64`, `arm64`. */
const ARCHITECTURE = process.arch

/** The root of this repository. */
export const ROOT: string = dirname(import.meta.dirname)
/** The native addon that calls the kernel, as npm installs it. */
export const KOFFI: string = join(
  ROOT,
  `node_modules/@koromix/koffi-linux-${ARCHITECTURE}/linux_${ARCHITECTURE}/koffi.node`,
)

/**
 * Copies a file in order: its pages then lie in the page cache in large pieces, and it starts
 * 0.3 ms faster than the same file written at random places. `to` is made executable.
 */
export function copyInOrder(from: string, to: string): void {
  const buffer = Buffer.alloc(1 << 20)
  const source = openSync(from, 'r')
  const target = openSync(to, 'w', 0o755)
  for (;;) {
    const size = readSync(source, buffer)
    if (size === 0) break
    for (let done = 0; done < size; ) done += writeSync(target, buffer, done, size - done)
  }
  closeSync(source)
  closeSync(target)
}

/**
 * Compiles `entry` and all that it imports into the executable `outfile`, and puts koffi.node
 * beside it. To be run by Bun, which is the compiler too.
 *
 * @param constants - global names that the sources find replaced by these strings
 * @throws {Error} with the compiler's messages
 */
export function compileEngine(
  entry: string,
  outfile: string,
  constants: Readonly<Record<string, string>> = {},
): void {
  // the name of the output is part of the bytes: the same name, elsewhere
  const draft = join(dirname(outfile), 'draft', basename(outfile))
  const defines = Object.entries(constants).flatMap(([name, value]) => [
    '--define',
    `${name}=${JSON.stringify(value)}`,
  ])
  const words = ['build', ...FLAGS, ...defines, entry, '--outfile', draft]
  const compiler = spawnSync(process.execPath, words, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' },
  })
  if (compiler.error !== undefined) throw compiler.error
  if (compiler.status !== 0) {
    throw new Error(`cannot compile ${entry}:\n${compiler.stderr}${compiler.stdout}`)
  }
  copyInOrder(draft, outfile)
  rmSync(dirname(draft), { recursive: true })
  copyFileSync(KOFFI, join(dirname(outfile), 'koffi.node'))
}
