/** The hooks that tsrun runs in its own namespaces, at the moments of a container's life. */
import { messageOf } from '../base/errors.ts'
import { SPEC_VERSION } from '../base/version.ts'
import { loadSpec } from '../bundle/load.ts'
import { runHook, runHooks } from '../hooks/run-hooks.ts'
import {
  type HookKind,
  type HookPlan,
  type HookState,
  hookStateText,
  planHooks,
} from '../plan/hooks.ts'
import type { State } from './state.ts'
import type { Store } from './store.ts'

/** What hooks are told of a container. */
export type HookSubject = Pick<HookState, 'id' | 'bundle' | 'annotations'>

/** Kinds that run in later commands than create. */
export const LATER_HOOKS = ['startContainer', 'poststart', 'poststop'] as const

/** What a hook may not see of tsrun's own environment: what the launcher has put there. */
const OWN = /^(TSRUN_|BUN_|MIMALLOC_)/

/** The environment of the caller, for hooks that configure none; never the container's (T-20). */
function callerEnvironment(): string[] {
  return Object.entries(process.env)
    .filter(([name]) => !OWN.test(name))
    .map(([name, value]) => `${name}=${value}`)
}

/** RLIMIT_NOFILE as the launcher found it, before the engine raised it: two hexadecimal numbers. */
export function callerNofile(): readonly [bigint, bigint] {
  const [soft = '', hard = ''] = (process.env.TSRUN_NOFILE ?? '400:1000').split(':')
  return [BigInt(`0x${soft}`), BigInt(`0x${hard}`)]
}

function surroundings(
  { id, bundle, annotations }: HookSubject,
  status: HookState['status'],
  pid: number,
) {
  return {
    state: hookStateText(SPEC_VERSION, { id, bundle, annotations, status, pid }),
    env: callerEnvironment(),
    callerNofile: callerNofile(),
  }
}

/**
 * Runs hooks of a container that is being made, or that has just been started.
 *
 * @param pid - of its first process, on the host
 * @throws {StepError} of the first that fails
 */
export function runRuntimeHooks(
  hooks: readonly HookPlan[],
  subject: HookSubject,
  status: 'creating' | 'running',
  pid: number,
): void {
  if (hooks.length > 0) runHooks(hooks, surroundings(subject, status, pid))
}

/**
 * Runs hooks of a container that is gone: all of them, also when one fails (M-046).
 *
 * @returns what those that failed say
 */
export function runPoststopHooks(hooks: readonly HookPlan[], subject: HookSubject): string[] {
  return hooks.flatMap((hook) => {
    try {
      runHook(hook, surroundings(subject, 'stopped', 0))
      return []
    } catch (error) {
      return [messageOf(error)]
    }
  })
}

/** The hooks of a kind, of the configuration that was kept at create; none without reading it. */
export async function keptHooks(
  store: Store,
  state: State,
  kind: HookKind,
): Promise<readonly HookPlan[]> {
  if (!state.hooks?.includes(kind)) return []
  return planHooks(await loadSpec(store.readConfig(), 'config.json'))[kind]
}
