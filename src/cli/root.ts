/** Where the state of containers is. */
import { absolutePath } from '../base/paths.ts'

/** What decides; asked of the system by `main`, given by tests. */
export interface RootFacts {
  /** --root as typed. */
  readonly option: string | undefined
  readonly cwd: () => string
  readonly effectiveUserId: () => number
  readonly inUserNamespace: () => boolean
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface Root {
  /** Absolute and clean. */
  readonly path: string
  /** From --root, from $XDG_RUNTIME_DIR (then it is to be made), or the built-in one. */
  readonly source: 'option' | 'xdg' | 'default'
}

const DEFAULT_ROOT = '/run/runc'

/**
 * The state root. Without --root, $XDG_RUNTIME_DIR is used by those who cannot write below /run:
 * users other than root, and root of a user namespace who did not get there as root.
 *
 * @throws {Error} --root names the root directory
 */
export function resolveRoot(facts: RootFacts): Root {
  if (facts.option !== undefined) {
    const path = facts.option === '' ? '/' : absolutePath(facts.option, facts.cwd())
    if (path === '/') throw new Error('Option --root argument should not be set to /')
    return { path, source: 'option' }
  }
  const { XDG_RUNTIME_DIR: xdg, USER: user } = facts.environment
  if (!xdg) return { path: DEFAULT_ROOT, source: 'default' }
  const rootless = facts.effectiveUserId() !== 0 || (user !== 'root' && facts.inUserNamespace())
  if (!rootless) return { path: DEFAULT_ROOT, source: 'default' }
  return { path: absolutePath(`${xdg}/runc`, facts.cwd()), source: 'xdg' }
}
