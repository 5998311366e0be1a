/** Decides which process loads the seccomp filter of a further one of a container. */
import { CAP_SYS_ADMIN } from '../plan/capabilities.ts'
import type { ProcessPlan } from '../plan/process-plan.ts'
import { letsThrough } from '../seccomp/run-filter.ts'
import type { Arg, Row } from '../stub/program.ts'
import { NR } from '../sys/numbers.ts'
import { judgedAtBirth, needsNoRight } from './filter-rows.ts'

/** How the parent tells that its child is born. */
const REPORT: readonly (readonly [nr: number, name: string])[] = [
  [NR.rt_sigaction, 'rt_sigaction'],
  [NR.write, 'write'],
]

/**
 * Decides whether a further process is born with its filter, which its parent has loaded.
 *
 * Loading takes CAP_SYS_ADMIN or no_new_privs. With the latter, or if it has that capability to keep,
 * the process loads its filter itself. Otherwise it would be seen in the container with a right that
 * is not its own: it is undumpable, so that CAP_SYS_PTRACE is needed to take that over, but that some
 * containers have (T-01). Its parent cannot be seen. But the filter then judges the birth, too, so
 * that a profile without `clone` needs the other way, and nobody in the container who can trace.
 *
 * @param program - of the filter
 * @param isTraceable - somebody in the container may have CAP_SYS_PTRACE
 * @throws {Error} if it can be done in neither way
 */
export function isBornFiltered(
  plan: ProcessPlan,
  program: Uint8Array,
  isTraceable: boolean,
): boolean {
  if (needsNoRight(plan) || plan.capabilities.permitted.includes(CAP_SYS_ADMIN)) return false
  const refused =
    judgedAtBirth(plan).find(({ nr, args }) => !letsThrough(program, nr, numbersOf(args)))?.name ??
    REPORT.find(([nr]) => !letsThrough(program, nr, []))?.[1]
  if (refused === undefined) return true
  if (!isTraceable) return false
  throw new Error(
    `the seccomp profile does not allow ${refused}, which a process without noNewPrivileges needs in a container with CAP_SYS_PTRACE`,
  )
}

function numbersOf(args: Row['args']): (number | bigint)[] {
  return args.map((arg: Arg) => (typeof arg === 'object' ? 0 : arg))
}
