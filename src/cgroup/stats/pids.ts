import { type Files, numberIn } from './files.ts'
import { linesOf, UNLIMITED, withoutZeros } from './text.ts'

export interface PidsStats {
  readonly current?: bigint
  /** Absent for no limit. */
  readonly limit?: bigint
}

/**
 * How many tasks there are, and may be; without the controller, in cgroup v2, the number of
 * processes that are directly in the cgroup.
 *
 * @see the kernel's admin-guide/cgroup-v2 "PID Interface Files"
 */
export function pidsStats(files: Files): PidsStats {
  if (files.read('pids.current') === undefined) {
    // a threaded cgroup does not tell its processes
    const members = files.read('cgroup.procs') ?? files.read('cgroup.threads') ?? ''
    return withoutZeros({ current: BigInt(linesOf(members).length) })
  }
  const limit = numberIn(files, 'pids.max')
  return withoutZeros({
    current: numberIn(files, 'pids.current'),
    limit: limit === UNLIMITED ? 0n : limit,
  })
}
