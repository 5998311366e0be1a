/** Intel RDT: the container's class of service and its monitoring group. */
import { messageOf, SpecError, StepError } from '../base/errors.ts'
import { cacheLines, memBwSchemaProblem, type ResctrlPlan } from '../plan/resctrl.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { readFile } from '../sys/file.ts'
import {
  isInUse,
  makeGroup,
  openClass,
  openGroup,
  readSchemata,
  removeGroup,
  writeLine,
} from './group.ts'
import { lockResctrl, openResctrl, type ResctrlTree } from './mount.ts'
import { agrees, type Domains, formatLine, parseSchemata } from './schemata.ts'

/** What a container has in resctrl; plain data, for state.json. */
export interface ResctrlState {
  /** As in `ResctrlPlan`. */
  readonly group: string
  readonly isNamed: boolean
  /** Inode number of the group if it was made for this container. */
  readonly groupMade?: number
  /** Name of the container's monitoring group in the class, if it has one. */
  readonly monitor?: string
  /** Inode number of the monitoring group if it was made for this container. */
  readonly monitorMade?: number
}

/** What the host offers; the shape that the checks of `linux.intelRdt` take. */
export interface ResctrlAbilities {
  readonly isEnabled: boolean
  readonly hasCacheAllocation: boolean
  readonly hasBandwidthAllocation: boolean
}

const AT = '/linux/intelRdt'

/** Asks the kernel. @throws {SyscallError} */
export function probeResctrl(): ResctrlAbilities {
  using tree = openResctrl()
  return {
    isEnabled: tree !== undefined,
    hasCacheAllocation: hasCacheAllocation(tree),
    hasBandwidthAllocation: tree?.has('MB') ?? false,
  }
}

/** With code and data prioritization the cache's resources have other names. */
function hasCacheAllocation(tree: ResctrlTree | undefined): boolean {
  return tree !== undefined && (tree.has('L3') || tree.has('L3CODE'))
}

/**
 * Makes what the plan wants and is not there; a class that is there is compared, never changed.
 * Before the process is cloned, so that nothing of it runs without.
 *
 * @throws {SpecError} no resctrl (M-101), a class that is missing (M-105) or differs (M-104)
 * @throws {StepError} the kernel refuses; nothing is left behind then
 */
export function createResctrl(plan: ResctrlPlan): ResctrlState {
  using tree = openResctrl()
  if (tree === undefined) {
    throw new SpecError('intelRdt is specified in config, but Intel RDT is not enabled', AT)
  }
  lockResctrl(tree)
  let state: ResctrlState = { group: plan.group, isNamed: plan.isNamed }
  try {
    const groupMade = makeClass(tree, plan)
    if (groupMade !== undefined) {
      state = { ...state, groupMade }
      writeSchemata(tree, plan)
    }
    const { monitor } = plan
    if (monitor === undefined) return state
    const monitorMade = makeMonitor(tree, plan.group, monitor)
    return { ...state, monitor, ...(monitorMade === undefined ? {} : { monitorMade }) }
  } catch (error) {
    throw afterCleanup(error, () => removeGroups(tree, state, true))
  }
}

/** Takes back what there is; if that fails too, the error says so. */
function afterCleanup(error: unknown, cleanup: () => void): unknown {
  try {
    cleanup()
  } catch (second) {
    if (error instanceof Error) error.message += `; ${messageOf(second)}`
  }
  return error
}

/** The inode number of the class if it had to be made. */
function makeClass(tree: ResctrlTree, plan: ResctrlPlan): number | undefined {
  const mustExist = plan.group === '' || (plan.isNamed && plan.lines.length === 0)
  const made = mustExist ? undefined : applying(AT, () => makeGroup(tree, tree.root, plan.group))
  if (made === undefined) expectSame(tree, plan)
  return made
}

function expectSame(tree: ResctrlTree, { group, lines }: ResctrlPlan): void {
  using existing = openExisting(tree, group)
  if (lines.length === 0) return
  const current = parseSchemata(applying(AT, () => readSchemata(existing)))
  const step = bandwidthStep(tree)
  for (const { text, pointer } of lines) {
    if (agrees(text, current, step)) continue
    throw new SpecError(
      `intelRdt: ${existing.label} exists, and its schemata differ from ${JSON.stringify(text)}`,
      pointer,
    )
  }
}

function openExisting(tree: ResctrlTree, group: string): Fd {
  try {
    return openClass(tree, group)
  } catch (error) {
    if (!isErrno(error, E.NOENT)) throw error
    throw new SpecError(
      `intelRdt.closID ${JSON.stringify(group)} does not exist, and there are no schemata to make it with`,
      `${AT}/closID`,
    )
  }
}

function bandwidthStep(tree: ResctrlTree): number {
  try {
    return Number(readFile(tree.root, 'info/MB/bandwidth_gran')) || 1
  } catch (error) {
    if (isErrno(error, E.NOENT)) return 1
    throw error
  }
}

function writeSchemata(tree: ResctrlTree, { group, lines }: ResctrlPlan): void {
  using made = openClass(tree, group)
  for (const { text, pointer } of lines) {
    applying(pointer, () => writeLine(tree, made, 'schemata', text))
  }
}

function makeMonitor(tree: ResctrlTree, group: string, name: string): number | undefined {
  return applying(`${AT}/enableMonitoring`, () => {
    using monitors = openMonitors(tree, group)
    return makeGroup(tree, monitors, name)
  })
}

function openMonitors(tree: ResctrlTree, group: string): Fd {
  using opened = openClass(tree, group)
  return openGroup(opened, 'mon_groups')
}

function applying<T>(pointer: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    const message = `unable to apply Intel RDT configuration: ${messageOf(cause)}`
    throw new StepError('resctrl', pointer, message, cause)
  }
}

/**
 * Puts a process (its one thread) into the container's groups; what it forks later is in them too.
 * Also for processes that join the container.
 *
 * @throws {StepError} the groups are gone, or the process
 * @see M-100
 */
export function enterResctrl(state: ResctrlState, pid: number): void {
  applying(AT, () => {
    using tree = openResctrl()
    if (tree === undefined) throw new Error('Intel RDT is not enabled')
    using group = openClass(tree, state.group)
    writeLine(tree, group, 'tasks', String(pid))
    if (state.monitor === undefined) return
    // only now: a monitoring group takes none but processes of its class
    using monitors = openGroup(group, 'mon_groups')
    using monitor = openGroup(monitors, state.monitor)
    writeLine(tree, monitor, 'tasks', String(pid))
  })
}

/**
 * Removes a deleted container's groups: those that were made for it, and no class that `closID`
 * names (M-106, M-107, M-108). What is gone already is fine.
 *
 * @throws {Error}
 */
export function removeResctrl(state: ResctrlState): void {
  remove(state, false)
}

/**
 * Takes back a `createResctrl`: a class that `closID` names goes too if it was made, unless another
 * container has come into it. After the end of the process that has entered it.
 *
 * @throws {Error}
 */
export function undoResctrl(state: ResctrlState): void {
  remove(state, true)
}

function remove(state: ResctrlState, undoing: boolean): void {
  if (state.groupMade === undefined && state.monitorMade === undefined) return
  using tree = openResctrl()
  // the groups went with the mount
  if (tree === undefined) return
  lockResctrl(tree)
  removeGroups(tree, state, undoing)
}

function removeGroups(tree: ResctrlTree, state: ResctrlState, undoing: boolean): void {
  const { group, isNamed, groupMade, monitor, monitorMade } = state
  try {
    if (monitor !== undefined && monitorMade !== undefined) {
      using monitors = openMonitors(tree, group)
      removeGroup(tree, monitors, monitor, monitorMade)
    }
    if (groupMade === undefined || (isNamed && !(undoing && isUnused(tree, group)))) return
    removeGroup(tree, tree.root, group, groupMade)
  } catch (error) {
    if (isErrno(error, E.NOENT)) return
    const message = `unable to remove container's Intel RDT group: ${messageOf(error)}`
    throw new Error(message, { cause: error })
  }
}

function isUnused(tree: ResctrlTree, group: string): boolean {
  using opened = openClass(tree, group)
  return !isInUse(tree, opened)
}

/** What `update` is asked to change; an empty string is nothing. */
export interface ResctrlUpdate {
  readonly l3CacheSchema: string
  readonly memBwSchema: string
}

/**
 * Changes the schemata of the container's class, also of one that it shares. If the kernel refuses
 * one of them, those before it are put back.
 *
 * @param state - undefined for a container without `linux.intelRdt`
 * @throws {Error} in runc's words: not enabled, or nothing to update; {StepError} the kernel refuses
 */
export function updateResctrl(state: ResctrlState | undefined, update: ResctrlUpdate): void {
  const { l3CacheSchema, memBwSchema } = update
  if (l3CacheSchema === '' && memBwSchema === '') return
  using tree = openResctrl()
  if (l3CacheSchema !== '' && !hasCacheAllocation(tree)) {
    throw new Error('Intel RDT/CAT: l3 cache schema is not enabled')
  }
  if (memBwSchema !== '' && tree?.has('MB') !== true) {
    throw new Error('Intel RDT/MBA: memory bandwidth schema is not enabled')
  }
  if (state === undefined || tree === undefined) {
    throw new Error('updating a non-existent Intel RDT configuration is not supported')
  }
  const problem = memBwSchema === '' ? undefined : memBwSchemaProblem(memBwSchema)
  if (problem !== undefined) throw new Error(`invalid value for mem-bw-schema: it ${problem}`)
  lockResctrl(tree)
  using group = applying(AT, () => openClass(tree, state.group))
  const before = parseSchemata(applying(AT, () => readSchemata(group)))
  const lines = cacheLines(l3CacheSchema)
  if (memBwSchema !== '') lines.push(memBwSchema)
  try {
    for (const line of lines) applying(AT, () => writeLine(tree, group, 'schemata', line))
  } catch (error) {
    throw afterCleanup(error, () => restore(tree, group, before))
  }
}

/** Writes back what has changed since. */
function restore(tree: ResctrlTree, group: Fd, before: ReadonlyMap<string, Domains>): void {
  const now = parseSchemata(readSchemata(group))
  for (const [resource, domains] of before) {
    const line = formatLine(resource, domains)
    if (!agrees(line, now, 1)) writeLine(tree, group, 'schemata', line)
  }
}
