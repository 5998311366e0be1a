import { check, isErrno } from './check.ts'
import { E } from './errno.ts'
import { S } from './ffi.ts'
import { alloc, at, str, text } from './memory.ts'
import { NR } from './numbers.ts'

const KEYCTL = { JOIN_SESSION_KEYRING: 1, SETPERM: 5, DESCRIBE: 6 } as const
/** The owner, not only who possesses it, may search the keyring. */
const KEY_USR_SEARCH = 0x00080000

/**
 * Replaces the session keyring by a new one of this name, searchable by its owner. Kernels without
 * keyrings are let be.
 *
 * @throws {SyscallError} EDQUOT and others
 * @see keyctl(2), session-keyring(7)
 */
export function joinSessionKeyring(name: string): void {
  const joined = S(NR.keyctl, KEYCTL.JOIN_SESSION_KEYRING, str(name))
  if (joined === -E.NOSYS) return
  const serial = check('keyctl', `KEYCTL_JOIN_SESSION_KEYRING ${name}`, joined)
  const buffer = alloc(1024)
  const length = S(NR.keyctl, KEYCTL.DESCRIBE, serial, at(buffer), 1024)
  // type;uid;gid;permissions in hex;description
  const [, , , permissions = ''] = text(buffer, check('keyctl', 'KEYCTL_DESCRIBE', length)).split(
    ';',
  )
  const wanted = Number.parseInt(permissions, 16) | KEY_USR_SEARCH
  try {
    check('keyctl', 'KEYCTL_SETPERM', S(NR.keyctl, KEYCTL.SETPERM, serial, wanted >>> 0))
  } catch (error) {
    if (!isErrno(error, E.ACCES)) throw error
  }
}
