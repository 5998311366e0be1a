/**
 * Installs what the build has made: `npm run install-system -- [--prefix DIR] [--destdir DIR]`,
 * by default below /usr/local; `--remove` takes it away again. Each file takes the place of the
 * old one in one step, so that containers can be started meanwhile.
 */

import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { parseArgs } from 'node:util'
import { copyInOrder, ROOT } from './compile-engine.ts'

/** Installed files and their modes. The launcher comes last: it needs the others. */
const FILES = [
  { name: 'koffi.node', mode: 0o644 },
  { name: 'tsrun.engine', mode: 0o755 },
  { name: 'tsrun', mode: 0o755 },
] as const
/** What bin/tsrun says, wherever `--destdir` is moved to. */
const LINK = '../lib/tsrun/tsrun'

interface Places {
  readonly lib: string
  readonly link: string
  readonly bin: string
}

/** Copies one file under a temporary name in its directory, then renames it. */
function installFile(from: string, to: string, mode: number): void {
  const temporary = `${to}.new-${process.pid}`
  try {
    copyInOrder(from, temporary)
    if (process.getuid?.() === 0) chownSync(temporary, 0, 0)
    chmodSync(temporary, mode)
    const file = openSync(temporary, 'r')
    fsyncSync(file)
    closeSync(file)
    renameSync(temporary, to)
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** Reads a file in order once, so that its pages lie in the page cache in large pieces. */
function warm(path: string): void {
  const file = openSync(path, 'r')
  const buffer = Buffer.alloc(1 << 20)
  while (readSync(file, buffer) > 0);
  closeSync(file)
}

function install({ lib, link, bin }: Places): void {
  for (const { name } of FILES) {
    if (!existsSync(join(ROOT, 'dist', name)))
      throw new Error(`dist/${name} is missing: npm run build`)
  }
  mkdirSync(lib, { recursive: true, mode: 0o755 })
  mkdirSync(bin, { recursive: true, mode: 0o755 })
  for (const { name, mode } of FILES) installFile(join(ROOT, 'dist', name), join(lib, name), mode)
  const temporary = `${link}.new-${process.pid}`
  symlinkSync(LINK, temporary)
  renameSync(temporary, link)
  warm(join(lib, 'tsrun.engine'))
  console.log(`installed ${link} -> ${LINK}`)
}

/** Removes only what `install` has put there. */
function remove({ lib, link }: Places): void {
  const isOurs =
    lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() === true &&
    readlinkSync(link) === LINK
  if (isOurs) rmSync(link)
  for (const { name } of FILES) rmSync(join(lib, name), { force: true })
  if (existsSync(lib)) rmdirSync(lib)
  console.log(`removed ${lib}`)
}

function main(): void {
  const { values } = parseArgs({
    options: {
      prefix: { type: 'string', default: '/usr/local' },
      destdir: { type: 'string', default: '' },
      remove: { type: 'boolean', default: false },
    },
  })
  if (!isAbsolute(values.prefix)) throw new Error(`prefix is not absolute: ${values.prefix}`)
  const root = join(values.destdir || '/', values.prefix)
  const places = {
    lib: join(root, 'lib/tsrun'),
    bin: join(root, 'bin'),
    link: join(root, 'bin/tsrun'),
  }
  if (values.remove) remove(places)
  else install(places)
}

try {
  main()
} catch (thrown) {
  console.error(`install-system: ${thrown instanceof Error ? thrown.message : thrown}`)
  process.exit(1)
}
