import type { Fd } from '../sys/fd.ts'
import { joinSessionKeyring } from '../sys/keyring.ts'
import { selfIn, writeProcfs } from './procfs.ts'

/**
 * Joins the container's session keyring, which is new or there already.
 *
 * @param procfs - the host's
 * @param label - SELinux context of what is made
 * @throws {SyscallError}
 */
export function makeSessionKeyring(procfs: Fd, name: string, label: string | undefined): void {
  if (label === undefined) {
    joinSessionKeyring(name)
    return
  }
  const file = `${selfIn(procfs)}/attr/keycreate`
  writeProcfs(procfs, file, label)
  try {
    joinSessionKeyring(name)
  } finally {
    writeProcfs(procfs, file, '\n')
  }
}
