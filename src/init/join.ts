/** Joins the namespaces of a container's first process. */
import { check } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { O, open } from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'
import { CLONE, pidfdSendSignal, setns } from '../sys/process.ts'

/** A process by number, and by what stays right when numbers are reused. */
export interface KnownProcess {
  readonly pid: number
  readonly pidfd: Fd
}

/** Names in /proc/PID/ns; the mount namespace last, for /proc is then another one. */
const NAMES = [
  ['user', CLONE.NEWUSER],
  ['ipc', CLONE.NEWIPC],
  ['uts', CLONE.NEWUTS],
  ['net', CLONE.NEWNET],
  ['pid', CLONE.NEWPID],
  ['cgroup', CLONE.NEWCGROUP],
  ['time', CLONE.NEWTIME],
  ['mnt', CLONE.NEWNS],
] as const

/**
 * Joins the namespaces of `kinds` that process `first` is in, all at once. For the pid namespace that
 * concerns the children of this process only. Its root and working directory become `/` of the mount
 * namespace.
 *
 * @param kinds - `CLONE.NEW*` flags
 * @throws {SyscallError} ESRCH if the process has ended
 * @see setns(2), with a pidfd since Linux 5.8
 */
export function joinNamespacesOf(first: KnownProcess, kinds: number): void {
  if (kinds === 0) return
  const result = S(NR.setns, first.pidfd.number, kinds)
  if (result === -E.INVAL) joinOneByOne(first, kinds)
  else check('setns', first.pidfd.label, result)
}

function joinOneByOne({ pid, pidfd }: KnownProcess, kinds: number): void {
  const wanted = NAMES.filter(([, kind]) => (kinds & kind) !== 0)
  const opened = wanted.map(([name, kind]) => ({
    fd: open(undefined, `/proc/${pid}/ns/${name}`, O.RDONLY),
    kind,
  }))
  // it is still there, so they are not those of a process that has got its number (threat T-32)
  pidfdSendSignal(pidfd, 0)
  for (const { fd, kind } of opened) {
    setns(fd, kind)
    fd.close()
  }
}
