import type { LinuxIntelRdt, Spec } from '../../spec/generated/config.ts'
import { SpecError } from '../base/errors.ts'

/** A line for a `schemata` file, without its newline. */
export interface SchemataLine {
  readonly text: string
  /** Where it came from. */
  readonly pointer: string
}

/** Which resctrl groups a container wants. */
export interface ResctrlPlan {
  /** Directory of the class of service below the mount point; empty for the default class. */
  readonly group: string
  /** True if `closID` names the class; it is then not the container's, and outlives it. */
  readonly isNamed: boolean
  /** In the order in which they are to be written. */
  readonly lines: readonly SchemataLine[]
  /** Name of the container's own monitoring group in the class, if it wants one. */
  readonly monitor?: string
}

const AT = '/linux/intelRdt'

/** What a directory of the file system's root can be besides a class. */
const RESERVED = ['info', 'mon_data', 'mon_groups']

/**
 * The container's class of service and its schemata. Takes a specification that has passed
 * `checkIntelRdt` of bundle/checks/linux.ts, and judges what the specification forbids beyond that.
 *
 * @returns undefined without `linux.intelRdt`: resctrl is then left alone (M-102)
 * @throws {SpecError}
 * @see runtime-spec config-linux.md "IntelRdt" (M-103, M-105, M-106, M-109)
 */
export function planResctrl(spec: Spec, id: string): ResctrlPlan | undefined {
  const rdt = spec.linux?.intelRdt
  if (rdt === undefined) return undefined
  const { closID = '' } = rdt
  const isNamed = closID !== ''
  return {
    group: groupOf(closID, id),
    isNamed,
    lines: linesOf(rdt),
    ...(rdt.enableMonitoring === true ? { monitor: id } : {}),
  }
}

function groupOf(closID: string, id: string): string {
  if (closID === '/') return ''
  if (RESERVED.includes(closID)) {
    throw new SpecError(`invalid intelRdt.ClosID ${JSON.stringify(closID)}`, `${AT}/closID`)
  }
  if (closID === '' && RESERVED.includes(id)) {
    throw new SpecError(`the container id ${id} cannot name a class: intelRdt.closID is needed`, AT)
  }
  return closID === '' ? id : closID
}

function linesOf({ l3CacheSchema = '', memBwSchema = '', schemata = [] }: LinuxIntelRdt) {
  const problem = memBwSchema === '' ? undefined : memBwSchemaProblem(memBwSchema)
  if (problem !== undefined) {
    throw new SpecError(`intelRdt.memBwSchema ${problem}`, `${AT}/memBwSchema`)
  }
  return [
    ...cacheLines(l3CacheSchema).map((text) => ({ text, pointer: `${AT}/l3CacheSchema` })),
    ...(memBwSchema === '' ? [] : [{ text: memBwSchema, pointer: `${AT}/memBwSchema` }]),
    ...schemata.map((text, index) => ({ text, pointer: `${AT}/schemata/${index}` })),
  ]
}

/** The lines of an l3CacheSchema that count: those for the memory bandwidth belong elsewhere. */
export function cacheLines(schema: string): string[] {
  return schema.split('\n').filter((line) => line !== '' && !line.startsWith('MB:'))
}

/** What keeps a string from being a memBwSchema, or undefined. */
export function memBwSchemaProblem(schema: string): string | undefined {
  if (schema.includes('\n')) return 'contains a newline'
  return schema.startsWith('MB:') ? undefined : 'does not start with MB:'
}
