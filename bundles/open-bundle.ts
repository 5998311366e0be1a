/** One of the bundles in this directory, for its test: with a state root and an id of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ContainerState,
  containersBelow,
  leftovers,
  type Teardown,
} from '../src/testing/bundle.ts'
import { type Outcome, programPath, type RunOptions, run } from '../src/testing/cli.ts'

/** An opened bundle. */
export interface OpenBundle {
  /** The container's id. */
  readonly id: string
  /** `tsrun run` of the bundle, to the end of the container. */
  run(options?: RunOptions): Promise<Outcome>
  /** `tsrun create` of the bundle: the state of a container that waits. @throws {Error} it fails */
  create(): Promise<ContainerState>
  /** Another command of tsrun; the id is to be given. */
  tsrun(...args: string[]): Promise<Outcome>
}

/**
 * Opens `bundles/NAME`. When the test ends its container is deleted; the test fails if then a
 * cgroup, a process or a state directory of it is left.
 */
export function openBundle(t: Teardown, name: string): OpenBundle {
  const bundle = join(import.meta.dirname, name)
  const root = mkdtempSync(join(tmpdir(), 'tsrun-bundle-'))
  const id = `tsrun-${name}-${process.pid}`
  const tsrun = (...args: string[]) => run([programPath(), '--root', root, ...args])
  t.teardown(async () => {
    for (const found of containersBelow(root)) await tsrun('delete', '--force', found)
    const left = leftovers(root, root, id)
    rmSync(root, { recursive: true })
    if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`)
  })
  return {
    id,
    tsrun,
    run: (options) =>
      run([programPath(), '--root', root, 'run', '--bundle', bundle, id], options ?? {}),
    async create() {
      const created = await tsrun('create', '--bundle', bundle, id)
      if (created.code !== 0) throw new Error(`create: ${created.stderr}`)
      return JSON.parse((await tsrun('state', id)).stdout) as ContainerState
    },
  }
}
