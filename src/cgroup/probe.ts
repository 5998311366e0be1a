/** How this host has its cgroups, and where the runtime itself is. @see cgroups(7) */
import type { CgroupFacts, Hierarchy } from '../plan/facts.ts'

import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { fstatfs, O, open, readDirectory, readFile } from '../sys/file.ts'

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

/**
 * The directory of a v1 hierarchy: controllers in whatever order they were mounted with, or the name
 * of a named one. Undefined if it is not mounted.
 */
function directoryOf(controllers: string, names: readonly string[]): string | undefined {
  if (controllers.startsWith('name=')) return names.find((name) => name === controllers.slice(5))
  if (names.includes(controllers)) return controllers
  const sorted = (list: string): string => list.split(',').sort().join(',')
  return names.find((name) => sorted(name) === sorted(controllers))
}

/**
 * Asks the kernel.
 *
 * @returns no hierarchies where /sys/fs/cgroup holds none
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
  const names = namesBelow(CGROUP_ROOT)
  const hierarchies: Hierarchy[] = []
  for (const { controllers, path } of own) {
    if (controllers === '') {
      if (hybrid) hierarchies.push({ controllers, mountPoint: unified, own: path })
      continue
    }
    const name = directoryOf(controllers, names)
    if (name === undefined) continue
    hierarchies.push({ controllers, mountPoint: `${CGROUP_ROOT}/${name}`, own: path })
  }
  return { mode: hybrid ? 'hybrid' : 'v1', hierarchies }
}

function namesBelow(path: string): string[] {
  try {
    using directory = open(undefined, path, O.RDONLY | O.DIRECTORY)
    return readDirectory(directory)
  } catch (error) {
    if (isErrno(error, E.NOENT, E.NOTDIR)) return []
    throw error
  }
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

/**
 * The directory of the cgroup that a process is in, in the version 2 hierarchy mounted at `mountPoint`.
 *
 * @returns undefined for one that this process cannot see
 */
export function unifiedPathOf(pid: number, mountPoint: string): string | undefined {
  const now = parseProcCgroup(readFile(undefined, `/proc/${pid}/cgroup`))
  const path = now.find(({ controllers }) => controllers === '')?.path
  // outside of the own cgroup namespace
  if (path === undefined || path.startsWith('/..')) return undefined
  return `${mountPoint}${path}`
}
