/** The status of a container, from the kernel's facts, and the state that clients are shown. */
import { SPEC_VERSION } from '../base/version.ts'
import { isPaused } from '../cgroup/freezer.ts'
import { isAlive } from '../process/identity.ts'
import type { State } from './state.ts'
import type { Store } from './store.ts'

export type Status = 'created' | 'running' | 'paused' | 'stopped'

/** The status now, from the kernel's facts. */
export function statusOf(store: Store, state: State): Status {
  if (isPaused(state.cgroup)) return 'paused'
  if (!isAlive(state.pid, state.startTime)) return 'stopped'
  return store.hasFifo ? 'created' : 'running'
}

/** The state operation's output. @see runtime-spec runtime.md "State" */
export interface OciState {
  readonly ociVersion: string
  readonly id: string
  readonly pid: number
  readonly status: Status
  readonly bundle: string
  readonly rootfs: string
  readonly created: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly owner: string
}

/** The state that clients are shown. */
export function ociStateOf(store: Store, state: State, owner: string): OciState {
  const status = statusOf(store, state)
  return {
    ociVersion: SPEC_VERSION,
    id: state.id,
    pid: status === 'stopped' ? 0 : state.pid,
    status,
    bundle: state.bundle,
    rootfs: state.rootfs,
    created: state.created,
    ...(Object.keys(state.annotations).length === 0 ? {} : { annotations: state.annotations }),
    owner,
  }
}
