/**
 * Writes to procfs through one handle, opened on the host's side: no link is followed and no mount
 * crossed below it, so nobody can put another file in the way (threat T-06).
 */
import { check, failure } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { fstat, fstatfs, O, open, openat2, RESOLVE, readDirectory, readlink } from '../sys/file.ts'
import { str } from '../sys/memory.ts'
import { NR } from '../sys/numbers.ts'

const PROC_SUPER_MAGIC = 0x9fa0
const PROC_ROOT_INO = 1

/** Follows nothing, and stays in this very procfs. */
export const STRICTLY: number =
  RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS | RESOLVE.NO_XDEV

/** Opens /proc. @throws {Error} if it is not a whole procfs */
export function openProcfs(): Fd {
  const proc = open(undefined, '/proc', O.PATH | O.DIRECTORY)
  if (fstatfs(proc).type !== PROC_SUPER_MAGIC || fstat(proc).ino !== PROC_ROOT_INO) {
    throw new Error('/proc is not a procfs')
  }
  return proc
}

/**
 * Writes `value` in one write(2) to a file below `proc`.
 *
 * @param path - without `..`, as `sys/net/ipv4/ip_forward`
 * @throws {SyscallError} EXDEV or ELOOP if something is in the way
 */
export function writeProcfs(proc: Fd, path: string, value: string): void {
  using file = openStrictly(proc, path)
  const length = Buffer.byteLength(value)
  const written = S(NR.write, file.number, str(value), length)
  check('write', `${JSON.stringify(value)} to /proc/${path}`, written)
  if (written !== length) throw new Error(`/proc/${path} took ${written} of ${length} bytes`)
}

function openStrictly(proc: Fd, path: string): Fd {
  const result = openat2(proc, path, O.WRONLY, STRICTLY)
  if (result >= 0) return new Fd(result, `/proc/${path}`)
  if (result !== -E.NOSYS) throw failure('open', `/proc/${path}`, result)
  const file = open(proc, path, O.WRONLY | O.NOFOLLOW)
  if (fstatfs(file).type !== PROC_SUPER_MAGIC) throw failure('open', `/proc/${path}`, -E.XDEV)
  return file
}

/** The number of this process as the procfs at hand has it. */
export function selfIn(proc: Fd): string {
  return readlink(proc, 'self')
}

/** The open descriptors of this process, with the one that this look itself takes. */
export function ownDescriptors(proc: Fd): number[] {
  using dir = open(proc, `${selfIn(proc)}/fd`, O.RDONLY | O.DIRECTORY)
  return readDirectory(dir).map(Number)
}
