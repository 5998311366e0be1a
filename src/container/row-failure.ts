import { StepError, SyscallError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { AMBIENT } from '../init/filter-rows.ts'
import { CAPABILITIES } from '../plan/capabilities.ts'
import { errnoName, errnoText } from '../sys/errno.ts'

/**
 * Judges a row of the last-exec stub's table that has failed.
 *
 * @param row - of `describeRow`
 * @returns the error; undefined for what is a warning, and has been logged
 */
export function judgeRow(
  { name, pointer }: { name: string; pointer: string },
  errno: number,
  log: Log,
): StepError | undefined {
  if (pointer === AMBIENT) {
    const capability = CAPABILITIES[Number(name.split(' ')[1])] ?? name
    log.warning(`can't raise ambient capability CAP_${capability}: ${errnoText(errno)}`)
    return undefined
  }
  const [syscall = '', ...subject] = name.split(' ')
  const cause = new SyscallError(
    syscall,
    subject.join(' '),
    errno,
    errnoName(errno),
    errnoText(errno),
  )
  const prefix = pointer.endsWith('/apparmorProfile') ? 'unable to apply apparmor profile: ' : ''
  return new StepError(name, pointer, `${prefix}${cause.message}`, cause)
}
