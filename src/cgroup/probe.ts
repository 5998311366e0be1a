/** How this host has its cgroups, and where the runtime itself is. @see cgroups(7) */
import type { CgroupFacts, Hierarchy } from '../plan/facts.ts'

import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { fstatfs, O, open, readFile } from '../sys/file.ts'

const CGROUP_ROOT = '/sys/fs/cgroup'
const CGROUP2_SUPER_MAGIC = 0x63677270

function isCgroup2(path: string): boolean {
  let fd: Fd
  try {
    fd = open(undefined, path, O.PATH | O.DIRECTORY)
  } catch (error) {
    if (isErrno(error, E.NOENT)) return false
    throw error
  }
  using dir = fd
  return fstatfs(dir).type === CGROUP2_SUPER_MAGIC
}

/** Name of a v1 hierarchy's directory: controllers as listed, or the name of a named one. */
function directoryOf(controllers: string): string {
  return controllers.startsWith('name=') ? controllers.slice(5) : controllers
}

/**
 * Asks the kernel.
 *
 * @throws {Error} if there is no cgroup file system at /sys/fs/cgroup
 */
export function probeCgroups(): CgroupFacts {
  const own = parseProcCgroup(readFile(undefined, '/proc/self/cgroup'))
  if (isCgroup2(CGROUP_ROOT)) {
    const path = own.find((entry) => entry.controllers === '')?.path ?? '/'
    return {
      mode: 'v2',
      hierarchies: [{ controllers: '', mountPoint: CGROUP_ROOT, own: path }],
    }
  }
  const unified = `${CGROUP_ROOT}/unified`
  const hybrid = isCgroup2(unified)
  const hierarchies: Hierarchy[] = []
  for (const { controllers, path } of own) {
    if (controllers === '' && !hybrid) continue
    const mountPoint = controllers === '' ? unified : `${CGROUP_ROOT}/${directoryOf(controllers)}`
    hierarchies.push({ controllers, mountPoint, own: path })
  }
  return { mode: hybrid ? 'hybrid' : 'v1', hierarchies }
}

/** The lines of /proc/PID/cgroup: `4:memory:/path`. */
export function parseProcCgroup(text: string): { controllers: string; path: string }[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
      return { controllers, path }
    })
}
