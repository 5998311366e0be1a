/** Descriptors through which the kernel says that something has happened. */
import { check, retry } from './check.ts'
import { Fd } from './fd.ts'
import { S } from './ffi.ts'
import { labelOf } from './file.ts'
import { alloc, at, get64, room, str, view } from './memory.ts'
import { NR } from './numbers.ts'
import { POLL } from './socket.ts'

/** The same flags serve eventfd2 and inotify_init1. */
const CLOEXEC = 0o2000000
const NONBLOCK = 0o4000

/** A counter that is readable when it is not zero. @see eventfd(2) */
export function eventfd(): Fd {
  return new Fd(check('eventfd2', '', S(NR.eventfd2, 0, CLOEXEC | NONBLOCK)), 'eventfd')
}

/** The value of an eventfd, which then is 0. */
export function takeCount(fd: Fd): number {
  const value = alloc(8)
  return retry(() => S(NR.read, fd.number, at(value), 8)) === 8 ? get64(value) : 0
}

/** A descriptor that is readable when something has happened to a watched file. @see inotify(7) */
export function inotify(): Fd {
  return new Fd(check('inotify_init1', '', S(NR.inotify_init1, CLOEXEC | NONBLOCK)), 'inotify')
}

const IN_MODIFY = 2

/**
 * Watches a file for changes of its content, until the inotify descriptor is closed.
 *
 * @param path - below `dir`
 * @returns what names the watch
 * @throws {SyscallError} also without /proc
 * @see inotify_add_watch(2)
 */
export function watchContent(inotify: Fd, dir: Fd, path: string): number {
  // there is no form that takes a directory
  const address = str(`/proc/self/fd/${dir.number}/${path}`)
  const result = S(NR.inotify_add_watch, inotify.number, address, IN_MODIFY)
  return check('inotify_add_watch', labelOf(dir, path), result)
}

const EVENTS = 4096
const EVENT_HEADER = 16

/** The watches that something has happened to since the last call. */
export function takeChanges(inotify: Fd): Set<number> {
  const changed = new Set<number>()
  for (;;) {
    const buffer = room(EVENTS)
    const got = retry(() => S(NR.read, inotify.number, at(buffer), EVENTS))
    if (got <= 0) return changed
    for (let event = buffer; event < buffer + got; ) {
      changed.add(view.getInt32(event, true))
      event += EVENT_HEADER + view.getUint32(event + 12, true)
    }
  }
}

/** True if nobody will ever read what is written to this pipe, socket or terminal. */
export function isReaderGone(number: number): boolean {
  const table = alloc(8)
  view.setInt32(table, number, true)
  const timeout = at(alloc(16))
  const got = S(NR.ppoll, at(table), 1, timeout, 0, 8)
  return got > 0 && (view.getInt16(table + 6, true) & (POLL.ERR | POLL.HUP)) !== 0
}
