/** Small specifications for the tests of the checks. */
import t from 'tap'
import type { Linux, Mount, Process, Spec } from '../../spec/generated/config.ts'
import { SpecError } from '../base/errors.ts'
import type { SpecFacts } from './problem.ts'
import { validateSpec } from './validate.ts'

export const ROOT: SpecFacts = {
  isRootless: false,
  hasRootlessCgroups: false,
  usesSystemdCgroup: false,
  avoidsPivot: false,
}
export const process: Process = { cwd: '/', args: ['sh'] }
export const TYPES = ['pid', 'network', 'mount', 'ipc', 'uts', 'time']
export const namespaces = TYPES.map((type) => ({ type }))
export const BASE: Spec = { process, root: { path: 'rootfs' }, linux: { namespaces } }
export const mapping = { containerID: 0, hostID: 1000, size: 10 }

export const withProcess = (extra: Process): Spec => ({
  ...BASE,
  process: { ...process, ...extra },
})
export const withLinux = (extra: Linux): Spec => ({ ...BASE, linux: { namespaces, ...extra } })
export const withMount = (mount: Partial<Mount>, linux: Linux = {}): Spec => ({
  ...withLinux(linux),
  mounts: [{ destination: '/x', ...mount }],
})
export const withSysctl = (key: string, value = '1'): Spec =>
  withLinux({ sysctl: { [key]: value } })

/** Pointer and message of the first error, or nothing. */
export function errorOf(spec: Spec, facts: Partial<SpecFacts> = {}): string | undefined {
  try {
    validateSpec(spec, { ...ROOT, ...facts })
    return undefined
  } catch (error) {
    if (error instanceof SpecError) return `${error.pointer} ${error.message}`
    throw error
  }
}

export type Row = readonly [name: string, spec: Spec, expected: string, facts?: Partial<SpecFacts>]

export function checkRows(rows: readonly Row[]): void {
  for (const [name, spec, expected, facts] of rows) {
    t.equal(errorOf(spec, facts), expected, name)
  }
}
