/** The namespaces that this process must arrange before it clones. */
import { messageOf, SpecError, StepError } from '../base/errors.ts'
import type { NamespacePlan, NamespaceToJoin } from '../plan/namespaces.ts'
import { check, isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { O, open, writeFile } from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'
import { CLONE, setns, unshare } from '../sys/process.ts'

export interface OpenedNamespace {
  readonly join: NamespaceToJoin
  readonly fd: Fd
}

const NS_GET_NSTYPE = 0xb703

/**
 * Opens the namespace files to join.
 *
 * @throws {SpecError} if one is missing, or of another kind (M-054)
 */
export function openNamespaces(plan: NamespacePlan): OpenedNamespace[] {
  return plan.join.map((join) => {
    const fd = openNamespace(join)
    const kind = S(NR.ioctl, fd.number, NS_GET_NSTYPE)
    if (kind === -E.NOTTY) {
      throw new SpecError(`${join.path} is not a namespace`, join.pointer)
    }
    if (check('ioctl', `NS_GET_NSTYPE ${join.path}`, kind) >>> 0 !== join.kind) {
      throw new SpecError(`${join.path} is not a ${join.type} namespace`, join.pointer)
    }
    return { join, fd }
  })
}

function openNamespace({ path, pointer }: NamespaceToJoin): Fd {
  try {
    return open(undefined, path, O.RDONLY)
  } catch (error) {
    throw new StepError('joinNamespace', pointer, messageOf(error), error)
  }
}

/**
 * Runs `clone` while children go into the pid namespace to join and into a time namespace with the
 * planned offsets; both are undone for later children, hooks for instance.
 *
 * @param clone - is given the flags that are left for clone3
 */
export function withNamespacesForChildren<T>(
  plan: NamespacePlan,
  opened: readonly OpenedNamespace[],
  clone: (flags: number) => T,
): T {
  const pid = opened.find(({ join }) => join.kind === CLONE.NEWPID)
  const offsets = plan.timeOffsets !== ''
  if (pid === undefined && !offsets) return clone(plan.create)
  using ownPid = open(undefined, '/proc/self/ns/pid', O.RDONLY)
  using ownTime = openTimeNamespace()
  if (pid !== undefined) setns(pid.fd, CLONE.NEWPID)
  if (offsets) {
    unshare(CLONE.NEWTIME, 'time namespace')
    writeFile(undefined, '/proc/self/timens_offsets', plan.timeOffsets)
  }
  try {
    return clone(offsets ? plan.create & ~CLONE.NEWTIME : plan.create)
  } finally {
    if (pid !== undefined) setns(ownPid, CLONE.NEWPID)
    if (offsets && ownTime !== undefined) setns(ownTime, CLONE.NEWTIME)
  }
}

function openTimeNamespace(): Fd | undefined {
  try {
    return open(undefined, '/proc/self/ns/time', O.RDONLY)
  } catch (error) {
    if (isErrno(error, E.NOENT)) return undefined
    throw error
  }
}
