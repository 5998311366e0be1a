/** For the black-box tests of mounts: a created container, looked at from the host. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Mount } from '../../spec/generated/config.ts'
import {
  type BundleOptions,
  type Teardown,
  type TestBundle,
  type TestSpec,
  withBundle,
} from '../testing/bundle.ts'
import { type MountLine, mountsOf } from '../testing/kernel.ts'

/** A container that waits for `start`. */
export interface Created {
  readonly bundle: TestBundle
  readonly pid: number
  /** Its mounts, as it sees them. */
  readonly mounts: readonly MountLine[]
  /** The topmost mount on `target`. @throws {Error} if there is none */
  at(target: string): MountLine
  /** How the host reaches `path` of the container; links on the way are the host's. */
  path(path: string): string
}

/** Creates a container. @throws {Error} if that fails */
export async function created(
  t: Teardown,
  options: BundleOptions = {},
  words: readonly string[] = [],
): Promise<Created> {
  const bundle = await withBundle(t, options)
  return create(bundle, words)
}

/** Creates the bundle's container. @throws {Error} if that fails */
export async function create(bundle: TestBundle, words: readonly string[] = []): Promise<Created> {
  const { code, stderr } = await bundle.tsrun('create', ...words, bundle.id)
  if (code !== 0) throw new Error(`create: ${stderr}`)
  const { pid } = await bundle.state()
  const mounts = mountsOf(pid)
  return {
    bundle,
    pid,
    mounts,
    at(target) {
      const found = mounts.filter((mount) => mount.target === target).at(-1)
      if (found === undefined) throw new Error(`nothing is mounted on ${target}`)
      return found
    },
    path: (path) => `/proc/${pid}/root${path}`,
  }
}

/** Adds mounts to a configuration. */
export function mounting(...mounts: Mount[]): (spec: TestSpec) => void {
  return (spec) => {
    spec.mounts.push(...mounts)
  }
}

/** Keeps of the configured mounts those whose destination is not at or below one of these. */
export function withoutMounts(spec: TestSpec, ...prefixes: string[]): void {
  spec.mounts = spec.mounts.filter(
    ({ destination }) => !prefixes.some((p) => `${destination}/`.startsWith(`${p}/`)),
  )
}

/** A directory that no container may touch; `check` tells what is different. */
export interface Decoy {
  readonly dir: string
  check(): string[]
}

/** Makes a decoy with two files and a directory in it. */
export function makeDecoy(dir: string): Decoy {
  mkdirSync(`${dir}/inner`, { recursive: true })
  for (const name of ['ptmx', 'marker', 'inner/file']) writeFileSync(`${dir}/${name}`, 'keep')
  const before = snapshot(dir)
  return {
    dir,
    check() {
      const after = snapshot(dir)
      const names = new Set([...before.keys(), ...after.keys()])
      return [...names]
        .filter((name) => before.get(name) !== after.get(name))
        .map((name) => `${name}: ${before.get(name)} is now ${after.get(name)}`)
    },
  }
}

function snapshot(dir: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const name of ['', ...(readdirSync(dir, { recursive: true }) as string[])]) {
    const path = `${dir}/${name}`
    const { ino, mode, uid, gid, mtimeMs, nlink } = lstatSync(path)
    const text = lstatSync(path).isFile() ? readFileSync(path, 'utf8') : ''
    found.set(name, [ino, mode.toString(8), uid, gid, mtimeMs, nlink, text].join(' '))
  }
  return found
}

/** The same directory: absolute, and by climbing. */
export function waysTo(dir: string): string[] {
  return [dir, `../../../../../../../../..${dir}`]
}
