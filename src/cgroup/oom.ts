/** Word from the kernel that a container has run out of memory, and that it has ended. */
import { ContainerError } from '../base/errors.ts'
import type { CgroupPlan } from '../plan/cgroup.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { O, open, readFile, statIfAny, writeFile } from '../sys/file.ts'
import { eventfd, inotify, takeChanges, takeCount, watchContent } from '../sys/notification.ts'
import { allProcesses } from './tree.ts'

/** What has happened since the last call. */
export interface OomNews {
  /** The kernel was, or is, out of memory for the container. */
  readonly oom: boolean
  /** The container has no processes any more. */
  readonly ended: boolean
}

export interface OomWatch extends Disposable {
  /** Readable when there is news. */
  readonly fd: Fd
  /** Takes the news; to be called also when `fd` has been silent for a while. */
  news(): OomNews
}

/**
 * Watches a container's memory from now on.
 *
 * @returns the caller's to dispose
 * @throws {ContainerError} if its memory is not controlled, or it has no cgroups any more
 */
export function watchOom(plan: CgroupPlan): OomWatch {
  const isV2 = plan.mode === 'v2'
  const cgroup = plan.paths.find(({ controllers }) =>
    isV2 ? controllers === '' : controllers.split(',').includes('memory'),
  )
  const missing = new ContainerError('failed', 'memory controller missing')
  if (cgroup === undefined) throw missing
  // from here on by descriptor: the path may become another's
  const opened: Fd[] = []
  const keep = (fd: Fd): Fd => {
    opened.push(fd)
    return fd
  }
  const dispose = (): void => {
    for (const fd of opened) fd.close()
  }
  try {
    const dir = keep(open(undefined, cgroup.path, O.RDONLY | O.DIRECTORY))
    const fd = keep(isV2 ? inotify() : eventfd())
    const news = isV2 ? watchV2(dir, fd) : watchV1(plan, dir, fd)
    return { fd, news, [Symbol.dispose]: dispose }
  } catch (error) {
    dispose()
    throw isErrno(error, E.NOENT, E.NODEV) ? missing : error
  }
}

/**
 * The eventfd counts what memory.oom_control tells, and once more when the cgroup goes. Processes
 * that end tell nothing, so they are looked for.
 *
 * @see the kernel's admin-guide/cgroup-v1/memory "OOM Control"
 */
function watchV1(plan: CgroupPlan, dir: Fd, eventfd: Fd): () => OomNews {
  using control = open(dir, 'memory.oom_control', O.RDONLY)
  writeFile(dir, 'cgroup.event_control', `${eventfd.number} ${control.number}`)
  return () => {
    const count = takeCount(eventfd)
    const isGone = statIfAny(dir, 'cgroup.event_control') === undefined
    return { oom: count > (isGone ? 1 : 0), ended: isGone || allProcesses(plan).length === 0 }
  }
}

/** @see the kernel's admin-guide/cgroup-v2 "memory.events", "cgroup.events" */
function watchV2(dir: Fd, inotify: Fd): () => OomNews {
  let seen = numberOf(dir, 'memory.events', 'oom_kill') ?? 0
  const memory = watchContent(inotify, dir, 'memory.events')
  watchContent(inotify, dir, 'cgroup.events')
  return () => {
    const hasChanged = takeChanges(inotify).has(memory)
    const kills = numberOf(dir, 'memory.events', 'oom_kill')
    // what has changed and is gone meanwhile can no longer be asked for the reason
    const oom = kills === undefined ? hasChanged : kills > seen
    seen = kills ?? seen
    return { oom, ended: (numberOf(dir, 'cgroup.events', 'populated') ?? 0) === 0 }
  }
}

/** A number of a file of named numbers; undefined once the cgroup is gone. */
function numberOf(dir: Fd, file: string, name: string): number | undefined {
  try {
    const text = readFile(dir, file)
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
  } catch (error) {
    if (isErrno(error, E.NOENT, E.NODEV)) return undefined
    throw error
  }
}
