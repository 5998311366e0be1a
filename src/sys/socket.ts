import { check, retry } from './check.ts'
import { E } from './errno.ts'
import { Fd } from './fd.ts'
import { S } from './ffi.ts'
import { alloc, arena, at, put64, room, view } from './memory.ts'
import { NR } from './numbers.ts'

const AF_UNIX = 1
const AF_INET = 2
const SOCK_DGRAM = 2
const SOCK_SEQPACKET = 5
const SOCK_CLOEXEC = 0o2000000

/** Two connected ends that keep message boundaries. @see socketpair(2) */
export function seqpacketPair(labels: readonly [string, string]): [Fd, Fd] {
  const pair = alloc(8)
  check('socketpair', '', S(NR.socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, at(pair)))
  return [
    new Fd(view.getInt32(pair, true), labels[0]),
    new Fd(view.getInt32(pair + 4, true), labels[1]),
  ]
}

/** A datagram socket, which interface ioctls want. @see netdevice(7) */
export function inetSocket(): Fd {
  const result = S(NR.socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  return new Fd(check('socket', 'AF_INET', result), 'AF_INET socket')
}

/** Longest message on a sync socket, in bytes. */
export const LONGEST_MESSAGE = 64 * 1024
const MSG_NOSIGNAL = 0x4000

/** Sends one message. @throws {SyscallError} EPIPE when the other end is gone @see send(2) */
export function send(fd: Fd, message: Uint8Array): void {
  const buffer = room(message.length)
  arena.set(message, buffer)
  const result = retry(() => S(NR.sendto, fd.number, at(buffer), message.length, MSG_NOSIGNAL))
  check('send', fd.label, result)
}

/**
 * Receives one message.
 *
 * @returns a view of the arena that is soon reused; empty when the other end is closed
 * @see recv(2)
 */
export function receive(fd: Fd): Uint8Array {
  const buffer = room(LONGEST_MESSAGE)
  const receiveOnce = (): number =>
    retry(() => S(NR.recvfrom, fd.number, at(buffer), LONGEST_MESSAGE))
  let got = receiveOnce()
  // said once, of an end that closed with messages unread; what it has sent before is still there
  if (got === -E.CONNRESET) got = receiveOnce()
  return arena.subarray(buffer, buffer + check('recv', fd.label, got))
}

export const POLL = { IN: 1, OUT: 4, ERR: 8, HUP: 16 } as const

/**
 * Waits until something happens on a descriptor.
 *
 * @param wanted - each with the `POLL` events to wait for; ERR and HUP always count
 * @param timeoutMs - absent means for ever
 * @returns the events of each descriptor, all 0 after a timeout or a signal
 * @see ppoll(2)
 */
export function poll(wanted: readonly (readonly [Fd, number])[], timeoutMs?: number): number[] {
  const table = alloc(wanted.length * 8)
  wanted.forEach(([fd, events], i) => {
    view.setInt32(table + i * 8, fd.number, true)
    view.setInt16(table + i * 8 + 4, events, true)
  })
  let timeout = 0
  if (timeoutMs !== undefined) {
    const time = alloc(16)
    put64(time, Math.floor(timeoutMs / 1000))
    put64(time + 8, Math.round((timeoutMs % 1000) * 1_000_000))
    timeout = at(time)
  }
  const got = S(NR.ppoll, at(table), wanted.length, timeout, 0, 8)
  return wanted.map((_, i) => (got > 0 ? view.getInt16(table + i * 8 + 6, true) : 0))
}

/** As `poll`, until one is readable or closed. */
export function pollIn(fds: readonly Fd[], timeoutMs?: number): number[] {
  return poll(
    fds.map((fd) => [fd, POLL.IN]),
    timeoutMs,
  )
}
