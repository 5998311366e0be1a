/** The filter of a further process, which is that of its container. */
import { ContainerError, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { ExecPlan } from '../plan/exec-plan.ts'
import type { PreparedSeccomp } from './seccomp.ts'
import type { State } from './state.ts'

/** What a plan with seccomp comes to. */
export interface ExecSeccomp extends PreparedSeccomp {
  /** The process is born with its filter. */
  readonly isBornFiltered: boolean
}

/**
 * Makes the filter of a further process, if it is to have one.
 *
 * @param root - the state root
 * @throws {ContainerError} if the profile leaves no safe way to start one; what `prepareSeccomp` does
 */
export async function prepareExecSeccomp(
  root: string,
  { process, mayTrace }: ExecPlan,
  { sharesPids }: State,
  log: Log,
): Promise<ExecSeccomp | undefined> {
  if (process.seccomp === undefined) return undefined
  const [{ prepareSeccomp }, { isBornFiltered }] = await Promise.all([
    import('./seccomp.ts'),
    import('../init/birth.ts'),
  ])
  const prepared = await prepareSeccomp(root, process.seccomp, log)
  try {
    const isTraceable = mayTrace || sharesPids
    return {
      ...prepared,
      isBornFiltered: isBornFiltered(process, prepared.filter.program, isTraceable),
    }
  } catch (error) {
    const text = `unable to start container process: ${messageOf(error)}`
    throw new ContainerError('failed', text)
  }
}
