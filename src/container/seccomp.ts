/** The filter of a container's processes: made before the clone, its listener handed over after. */
import { messageOf, SpecError, StepError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { SPEC_VERSION } from '../base/version.ts'
import { FILTER_FLAG, type Filter, programKey, type SeccompPlan } from '../plan/seccomp.ts'
import { type CacheKey, readCached, writeCached } from '../seccomp/cache.ts'
import { kernelIdentity, libseccompIdentity, supportsFlags } from '../seccomp/kernel.ts'
import { sendListener, takeListener } from '../seccomp/listener.ts'
import type { Fd } from '../sys/fd.ts'
import type { State } from './state.ts'

/** What a plan with seccomp comes to. */
export interface PreparedSeccomp {
  /** For the process that is to be made. */
  readonly filter: Filter
  /**
   * Called when the process has loaded the filter, and waits: hands its listener over to the agent,
   * if it has one.
   *
   * @param container - what the agent is told of it
   * @throws {StepError} if there is no agent
   */
  handOver(
    process: { readonly pid: number; readonly pidfd: Fd },
    container: ListenerState,
    status: 'creating' | 'created' | 'running',
  ): void
}

/** What an agent is told of the container that its process belongs to. */
export type ListenerState = Pick<State, 'id' | 'pid' | 'bundle' | 'annotations'>

/**
 * Makes the filter of a plan: from the cache below the state root, or compiled and put there.
 *
 * @param root - the state root, which exists
 * @throws {SpecError} for what the kernel or libseccomp has not; {Error} if libseccomp is needed
 *   and not there
 */
export async function prepareSeccomp(
  root: string,
  plan: SeccompPlan,
  log: Log,
): Promise<PreparedSeccomp> {
  const flags = flagsOf(plan)
  const key: CacheKey = {
    text: `${kernelIdentity()}\n${programKey(plan)}`,
    library: libseccompIdentity(),
  }
  const program = readCached(root, key) ?? (await compileInto(root, key, plan, log))
  // runc's words, which its tests look for
  log.debug(`seccomp filter flags: ${flags}`)
  const { listener } = plan
  return {
    filter: { program, flags },
    handOver: (...args) => listener && handOverListener(listener, ...args),
  }
}

async function compileInto(
  root: string,
  key: CacheKey,
  plan: SeccompPlan,
  log: Log,
): Promise<Uint8Array> {
  const { compileFilter } = await import('../seccomp/compile.ts')
  const { program, unknown } = compileFilter(plan)
  for (const name of unknown) log.debug(`unknown seccomp syscall ${JSON.stringify(name)} ignored`)
  try {
    writeCached(root, key, program)
  } catch (error) {
    log.debug(`the seccomp filter is not cached: ${messageOf(error)}`)
  }
  return program
}

function flagsOf({ flags, preferredFlags }: SeccompPlan): number {
  if (flags !== 0 && !supportsFlags(flags)) {
    const known = Object.entries(FILTER_FLAG).filter(([, flag]) => (flags & flag) !== 0)
    const [name] = known.find(([, flag]) => !supportsFlags(flag)) ?? known[0] ?? ['']
    const text = `this kernel does not know the seccomp flag SECCOMP_FILTER_FLAG_${name}`
    throw new SpecError(text, '/linux/seccomp/flags')
  }
  const prefers = preferredFlags !== 0 && supportsFlags(preferredFlags)
  return prefers ? flags | preferredFlags : flags
}

function handOverListener(
  { path, metadata }: NonNullable<SeccompPlan['listener']>,
  process: { readonly pid: number; readonly pidfd: Fd },
  { id, pid, bundle, annotations }: ListenerState,
  status: string,
): void {
  const state = {
    ociVersion: SPEC_VERSION,
    fds: ['seccompFd'],
    pid: process.pid,
    ...(metadata !== '' && { metadata }),
    state: { ociVersion: SPEC_VERSION, id, status, pid, bundle, annotations },
  }
  try {
    using listener = takeListener(process.pid, process.pidfd)
    sendListener(path, JSON.stringify(state), listener)
  } catch (cause) {
    throw new StepError('seccomp', '/linux/seccomp/listenerPath', messageOf(cause), cause)
  }
}
