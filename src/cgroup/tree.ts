/**
 * The container's cgroups as directory trees, and the processes in them. What a container nests may
 * be deeper than a path can be long, or than there may be descriptors: trees are walked with one
 * descriptor, from name to name and back by `..`, which in a cgroup file system leads nowhere else.
 */
import type { CgroupPath, CgroupPlan } from '../plan/cgroup.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { type Dir, O, open, readFile, readSubdirectories } from '../sys/file.ts'

/** A fork bomb's process ids take a few megabytes. */
const LARGEST_READ = 64 << 20

/** The container's own cgroups: never the root of a hierarchy, whatever a path says. */
export function ownPaths({ paths }: CgroupPlan): CgroupPath[] {
  return paths.filter(({ path, mountPoint }) => path !== mountPoint)
}

/** Content of a cgroup file; empty if it, or the cgroup, is not there. */
export function readIfAny(path: string, dir?: Dir): string {
  try {
    return readFile(dir, path, LARGEST_READ)
  } catch (error) {
    if (isErrno(error, E.NOENT, E.NODEV, E.OPNOTSUPP)) return ''
    throw error
  }
}

function openIfAny(dir: Dir, path: string): Fd | undefined {
  try {
    return open(dir, path, O.RDONLY | O.DIRECTORY | O.NOFOLLOW)
  } catch (error) {
    if (isErrno(error, E.NOENT, E.NODEV)) return undefined
    throw error
  }
}

/**
 * Visits the cgroups of a tree, the deepest first; none if there is no such cgroup.
 *
 * @param visit - is given each, open
 * @param leave - is given what each one is in, open, and its name; not for the top
 */
export function walkTree(
  top: string,
  visit: (directory: Fd) => void,
  leave?: (above: Fd, name: string) => void,
): void {
  let directory = openIfAny(undefined, top)
  if (directory === undefined) return
  const way = [{ name: top, below: readSubdirectories(directory) }]
  try {
    for (let at = way.at(-1); at !== undefined; at = way.at(-1)) {
      const name = at.below.pop()
      if (name !== undefined) {
        const below = openIfAny(directory, name)
        if (below === undefined) continue
        directory.close()
        directory = below
        way.push({ name, below: readSubdirectories(below) })
        continue
      }
      visit(directory)
      way.pop()
      if (way.length === 0) return
      const above = openIfAny(directory, '..')
      // it was removed meanwhile, with all that it is in
      if (above === undefined) return
      directory.close()
      directory = above
      leave?.(above, at.name)
    }
  } finally {
    directory.close()
  }
}

/**
 * Processes directly in one cgroup, as their ids; 0 stands for one outside of the own pid namespace.
 * A threaded cgroup has no list of processes: there they are those of its threads.
 */
function processesIn(directory: Fd): number[] {
  const text = readIfAny('cgroup.procs', directory) || readIfAny('cgroup.threads', directory)
  return text.split('\n').filter(Boolean).map(Number)
}

/** How many processes are in a cgroup and below; undefined if there is no such cgroup. */
export function countProcesses(path: string): number | undefined {
  let count: number | undefined
  walkTree(path, (directory) => {
    count = (count ?? 0) + processesIn(directory).length
  })
  return count
}

/** Every process in the container's cgroups and below; 0 as in `processesIn`. */
export function allProcesses(plan: CgroupPlan): number[] {
  const pids = new Set<number>()
  for (const { path } of ownPaths(plan)) {
    walkTree(path, (directory) => {
      for (const pid of processesIn(directory)) pids.add(pid)
    })
  }
  return [...pids]
}
