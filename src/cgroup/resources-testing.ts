/** For tests: cgroups without a container. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { LinuxResources } from '../../spec/generated/config.ts'
import { type CgroupPlan, planCgroup } from '../plan/cgroup.ts'
import { type CgroupWrite, planResources } from '../plan/resources/resources.ts'
import { probeCgroups } from './probe.ts'
import { applyResources } from './resources.ts'

export interface TestCgroup {
  /** As in `cgroupsPath`. */
  readonly name: string
  /** The directory with the files of a controller. */
  path(controller: string): string
  /** A file without white space around. */
  read(controller: string, file: string): string
  readonly apply: {
    (resources: LinuxResources): void
    /** What it throws. */
    error(resources: LinuxResources): unknown
  }
  applyWrites(writes: readonly CgroupWrite[]): void
}

let count = 0

/**
 * Makes a cgroup in the hierarchies of some controllers, for the time of a test.
 *
 * @param parent - where; `/` alone with no controllers: the roots themselves
 */
export function testCgroup(
  t: { teardown(action: () => void): void },
  controllers: readonly string[],
  parent = '',
): TestCgroup {
  const name = parent === '/' ? '/' : `${parent}/tsrun-test-${process.pid}-${++count}`
  const whole = planCgroup(probeCgroups(), name, 'unused')
  const isHere = (listed: string): boolean =>
    whole.mode === 'v2' || listed.split(',').some((one) => controllers.includes(one))
  const plan: CgroupPlan = {
    ...whole,
    paths: parent === '/' ? whole.paths : whole.paths.filter((path) => isHere(path.controllers)),
  }
  if (parent !== '/') {
    for (const { path } of plan.paths) {
      if (plan.mode === 'v2') enable(path, controllers)
      mkdirSync(path)
      t.teardown(() => rmdirSync(path))
    }
  }
  const pathOf = (controller: string): string => {
    const found = plan.paths.find(
      (path) => plan.mode === 'v2' || path.controllers.split(',').includes(controller),
    )
    if (found === undefined) throw new Error(`no cgroup for ${controller}`)
    return found.path
  }
  const apply = (resources: LinuxResources): void =>
    applyResources(plan, planResources(resources, plan.mode))
  const error = (resources: LinuxResources): unknown => {
    try {
      apply(resources)
    } catch (thrown) {
      return thrown
    }
    throw new Error('it did not fail')
  }
  return {
    name,
    path: pathOf,
    read: (controller, file) => readFileSync(`${pathOf(controller)}/${file}`, 'utf8').trim(),
    apply: Object.assign(apply, { error }),
    applyWrites: (writes) => applyResources(plan, writes),
  }
}

/**
 * For tap's `skip` option: what to tell if cgroups on this host have none of these files, or false.
 *
 * @param otherwise - what is told if the host is not fit at all
 */
export function needsFile(
  otherwise: string | false,
  controller: string,
  ...files: readonly string[]
): string | false {
  if (otherwise !== false) return otherwise
  const lacking = `needs ${files.join(' or ')}`
  const undo: (() => void)[] = []
  try {
    const made = testCgroup({ teardown: (action) => void undo.push(action) }, [controller])
    const dir = made.path(controller)
    return files.some((file) => existsSync(`${dir}/${file}`)) ? false : lacking
  } catch {
    // no such controller
    return lacking
  } finally {
    for (const action of undo) action()
  }
}

function enable(path: string, controllers: readonly string[]): void {
  const words = controllers.map((name) => `+${name}`)
  writeFileSync(`${dirname(path)}/cgroup.subtree_control`, words.join(' '))
}
