/** The hooks of a configuration. @see runtime-spec config.md "POSIX-platform Hooks" */
import type { Spec } from '../../spec/generated/config.ts'
import type { Pointer } from '../base/errors.ts'

/** In the order in which they run in a container's life. */
export const HOOK_KINDS = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
] as const

export type HookKind = (typeof HOOK_KINDS)[number]

/** One hook. */
export interface HookPlan {
  readonly kind: HookKind
  /** Its place in the list of its kind. */
  readonly index: number
  readonly pointer: Pointer
  readonly path: string
  /** The whole argument vector. */
  readonly args: readonly string[]
  /** Undefined: it depends on the kind. */
  readonly env: readonly string[] | undefined
  /** Undefined: it may take as long as it wants. */
  readonly timeoutMs: number | undefined
}

export type HooksPlan = { readonly [K in HookKind]: readonly HookPlan[] }

/** The hooks in the order in which they run; an empty list where there are none. */
export function planHooks({ hooks = {} }: Spec): HooksPlan {
  const lists = HOOK_KINDS.map((kind) => [
    kind,
    (hooks[kind] ?? []).map(
      ({ path, args, env, timeout }, index): HookPlan => ({
        kind,
        index,
        pointer: `/hooks/${kind}/${index}`,
        path,
        args: args === undefined || args.length === 0 ? [path] : args,
        env,
        timeoutMs: timeout === undefined || timeout <= 0 ? undefined : timeout * 1000,
      }),
    ),
  ])
  return Object.fromEntries(lists) as HooksPlan
}

/** What a hook reads of the container. @see runtime-spec runtime.md "State" */
export interface HookState {
  readonly id: string
  readonly status: 'creating' | 'created' | 'running' | 'stopped'
  /** As seen from where the hook runs; 0 if there is none any more. */
  readonly pid: number
  readonly bundle: string
  readonly annotations: Readonly<Record<string, string>>
}

/** The state as JSON. */
export function hookStateText(version: string, state: HookState): string {
  const { id, status, pid, bundle, annotations } = state
  return JSON.stringify({
    ociVersion: version,
    id,
    status,
    ...(pid === 0 ? {} : { pid }),
    bundle,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  })
}
