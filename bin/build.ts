/**
 * Builds dist/: `bun bin/build.ts`. The new files come to be in a directory of their own, which
 * takes the place of dist/ only when they have passed the self-test.
 */

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { buildLauncher } from '../src/stub/launcher.ts'
import { compileEngine, ROOT } from './compile-engine.ts'
import { selfTest } from './self-test.ts'

const DIST = join(ROOT, 'dist')
const ENTRY = join(ROOT, 'src/main.ts')
const GENERATED = join(ROOT, 'spec/generated')

/** Fails if the validators have not been generated. */
function checkGenerated(): void {
  if (!existsSync(GENERATED) || readdirSync(GENERATED).length === 0) {
    throw new Error('spec/generated is empty: npm run generate')
  }
}

/** What `--version` tells of the build: see src/base/version.ts. */
function identity(): Record<string, string> {
  const git = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8' })
  const koffi = JSON.parse(readFileSync(join(ROOT, 'node_modules/koffi/package.json'), 'utf8'))
  const known = { TSRUN_KOFFI: String(koffi.version) }
  return git.status === 0 ? { ...known, TSRUN_COMMIT: git.stdout.trim() } : known
}

/** Writes launcher, engine and addon into `directory`. */
function buildInto(directory: string): void {
  const launcher = join(directory, 'tsrun')
  writeFileSync(launcher, buildLauncher(process.arch === 'arm64' ? 'aarch64' : 'x86-64'))
  chmodSync(launcher, 0o755)
  compileEngine(ENTRY, join(directory, 'tsrun.engine'), identity())
  chmodSync(join(directory, 'tsrun.engine'), 0o755)
  chmodSync(join(directory, 'koffi.node'), 0o644)
}

/** Puts `directory` in the place of dist/. */
function replaceDist(directory: string): void {
  const old = `${DIST}.old-${process.pid}`
  try {
    if (existsSync(DIST)) renameSync(DIST, old)
    renameSync(directory, DIST)
  } finally {
    rmSync(old, { recursive: true, force: true })
  }
}

function summary(startMs: number): string {
  const sizes = ['tsrun', 'tsrun.engine', 'koffi.node'].map((name) => {
    const { size } = statSync(join(DIST, name))
    return `${name} ${size < 1e5 ? `${size} bytes` : `${(size / 1e6).toFixed(1)} MB`}`
  })
  return `dist: ${sizes.join(', ')}; ${((performance.now() - startMs) / 1000).toFixed(1)} s`
}

function main(): void {
  const startMs = performance.now()
  const directory = `${DIST}.new-${process.pid}`
  try {
    checkGenerated()
    mkdirSync(directory)
    chmodSync(directory, 0o755)
    buildInto(directory)
    selfTest(directory)
    replaceDist(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  console.log(summary(startMs))
}

try {
  main()
} catch (thrown) {
  console.error(`build: ${thrown instanceof Error ? thrown.message : thrown}`)
  process.exit(1)
}
