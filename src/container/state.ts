/** What is remembered of a container: the content of state.json. */
import type { CgroupPlan } from '../plan/cgroup.ts'
import type { HookKind } from '../plan/hooks.ts'
import type { ResctrlState } from '../resctrl/resctrl.ts'

/** Content of state.json. */
export interface State {
  readonly version: 1
  readonly id: string
  /** Process id of the container's first process; 0 until there is one. */
  readonly pid: number
  /** Its start, in clock ticks since boot: with `pid` it names the process for good. */
  readonly startTime: number
  /** RFC 3339, UTC, with nanoseconds. */
  readonly created: string
  /** Absolute, links resolved. */
  readonly bundle: string
  readonly rootfs: string
  readonly annotations: Readonly<Record<string, string>>
  /** Kinds of hooks that it has and that later commands run. */
  readonly hooks?: readonly HookKind[]
  readonly cgroup: CgroupPlan
  /**
   * Inode number of the first of the cgroups; absent until they are made, and with the driver
   * `disabled`. Another number there means that the container's own is gone.
   */
  readonly cgroupInode?: number
  /** What it has of Intel RDT. */
  readonly resctrl?: ResctrlState
  /** Processes of the container can outlive its first one: it has no pid namespace of its own. */
  readonly sharesPids: boolean
  /** It has no session keyring of its own, nor have processes that join it. */
  readonly keepsKeyring?: boolean
}

/**
 * Takes a decoded state.json for a state, or not.
 *
 * @throws {Error} saying what it lacks
 */
export function expectState(value: unknown, id: string): State {
  const state = value as Partial<State> | null
  if (typeof state !== 'object' || state === null) throw new Error('not an object')
  if (state.version !== 1) throw new Error(`version ${String(state.version)} is not known`)
  if (state.id !== id) throw new Error('it belongs to another container')
  const whole =
    typeof state.pid === 'number' &&
    typeof state.startTime === 'number' &&
    typeof state.bundle === 'string' &&
    typeof state.rootfs === 'string' &&
    typeof state.created === 'string' &&
    typeof state.cgroup?.driver === 'string' &&
    Array.isArray(state.cgroup.paths)
  if (!whole) throw new Error('members are missing')
  return state as State
}
