/** Sockets with a name in the file system, and descriptors that cross them. */
import { check, failure, retry } from './check.ts'
import { E } from './errno.ts'
import { Fd } from './fd.ts'
import { S } from './ffi.ts'
import { O, open } from './file.ts'
import { alloc, arena, at, put64, room, view } from './memory.ts'
import { NR } from './numbers.ts'

const AF_UNIX = 1
const SOCK = { stream: 1, datagram: 2 } as const
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SCM_RIGHTS = 1
const MSG_NOSIGNAL = 0x4000
const MSG_CTRUNC = 8
const MSG_CMSG_CLOEXEC = 0x40000000

export type UnixSocketType = keyof typeof SOCK

/** `sun_path`, with room for the NUL. @see unix(7) */
const LONGEST_PATH = 107

/** A socket without a name. @see socket(2), unix(7) */
export function unixSocket(type: UnixSocketType): Fd {
  const result = S(NR.socket, AF_UNIX, SOCK[type] | SOCK_CLOEXEC, 0)
  return new Fd(check('socket', 'AF_UNIX', result), 'unix socket')
}

/**
 * Calls `use` with the address of a sockaddr_un, and its length. A path that does not fit goes
 * through the descriptor of its directory.
 */
function withAddress<T>(path: string, use: (address: number, length: number) => T): T {
  const name = Buffer.from(path)
  if (path === '' || name.includes(0)) throw failure('connect', path, -E.INVAL)
  if (name.length <= LONGEST_PATH) return use(...putAddress(name, path.startsWith('@')))
  const slash = path.lastIndexOf('/')
  if (path.startsWith('@') || slash < 0) throw failure('connect', path, -E.NAMETOOLONG)
  using dir = open(undefined, path.slice(0, slash) || '/', O.PATH | O.DIRECTORY)
  const short = Buffer.from(`/proc/self/fd/${dir.number}/${path.slice(slash + 1)}`)
  if (short.length > LONGEST_PATH) throw failure('connect', path, -E.NAMETOOLONG)
  return use(...putAddress(short, false))
}

function putAddress(name: Uint8Array, isAbstract: boolean): [address: number, length: number] {
  const address = alloc(2 + LONGEST_PATH + 1)
  view.setUint16(address, AF_UNIX, true)
  arena.set(name, address + 2)
  if (!isAbstract) return [at(address), 2 + name.length + 1]
  view.setUint8(address + 2, 0)
  return [at(address), 2 + name.length]
}

/**
 * Connects to a listening socket.
 *
 * @param path - of any length; `@name` is an abstract one
 * @throws {SyscallError} ENOENT, ECONNREFUSED (nobody listens), EPROTOTYPE (of another type)
 * @see connect(2), unix(7)
 */
export function connectUnix(path: string, type: UnixSocketType = 'stream'): Fd {
  const socket = unixSocket(type)
  try {
    const result = withAddress(path, (address, length) =>
      retry(() => S(NR.connect, socket.number, address, length)),
    )
    check('connect', path, result)
  } catch (error) {
    socket.close()
    throw error
  }
  return new Fd(socket.number, path)
}

/**
 * Gives a socket a name in the file system.
 *
 * @param path - as for `connectUnix`
 * @throws {SyscallError} EADDRINUSE if there is such a file
 * @see bind(2)
 */
export function bindUnix(path: string, type: UnixSocketType): Fd {
  const socket = unixSocket(type)
  try {
    const result = withAddress(path, (address, length) =>
      S(NR.bind, socket.number, address, length),
    )
    check('bind', path, result)
  } catch (error) {
    socket.close()
    throw error
  }
  return new Fd(socket.number, path)
}

/** Takes connections. @see listen(2) */
export function listen(socket: Fd, backlog = 16): void {
  check('listen', socket.label, S(NR.listen, socket.number, backlog))
}

/** The next connection; waits for it. @see accept(2) */
export function accept(socket: Fd): Fd {
  const result = retry(() => S(NR.accept4, socket.number, 0, 0, SOCK_CLOEXEC))
  return new Fd(check('accept', socket.label, result), `${socket.label} (connection)`)
}

const CMSG_HEADER = 16
const MSGHDR_SIZE = 56

/** struct msghdr of one buffer and room for `descriptors`. @see sendmsg(2), cmsg(3) */
function putMessage(data: number, length: number, descriptors: number) {
  const control = alloc(CMSG_HEADER + descriptors * 4)
  const vector = alloc(16)
  put64(vector, at(data))
  put64(vector + 8, length)
  const header = alloc(MSGHDR_SIZE)
  put64(header + 16, at(vector))
  put64(header + 24, 1)
  if (descriptors > 0) {
    put64(header + 32, at(control))
    // rounded up: what is reserved is a multiple of 8
    put64(header + 40, (CMSG_HEADER + descriptors * 4 + 7) & ~7)
  }
  return { header, control }
}

/**
 * Sends `data` and `fds` as one message.
 *
 * @param data - not empty, or a stream carries nothing at all
 * @throws {SyscallError} EPIPE if the other end is closed
 * @see SCM_RIGHTS in unix(7)
 */
export function sendDescriptors(socket: Fd, data: Uint8Array, fds: readonly Fd[]): void {
  const buffer = room(data.length)
  arena.set(data, buffer)
  const { header, control } = putMessage(buffer, data.length, fds.length)
  if (fds.length > 0) {
    put64(control, CMSG_HEADER + fds.length * 4)
    view.setInt32(control + 8, SOL_SOCKET, true)
    view.setInt32(control + 12, SCM_RIGHTS, true)
    fds.forEach(({ number }, i) => {
      view.setInt32(control + CMSG_HEADER + i * 4, number, true)
    })
  }
  const sent = retry(() => S(NR.sendmsg, socket.number, at(header), MSG_NOSIGNAL))
  if (check('sendmsg', socket.label, sent) !== data.length) {
    throw failure('sendmsg', socket.label, -E.AGAIN)
  }
}

/** What `receiveDescriptors` got: `data` is empty when the other end is closed. */
export interface ReceivedDescriptors {
  readonly data: Buffer
  /** The receiver's to close; close-on-exec. */
  readonly fds: Fd[]
}

/** As many as fit in the control buffer. */
const MOST_DESCRIPTORS = 16
const MOST_DATA = 4096

/**
 * Receives one message, of up to 4096 bytes and 16 descriptors.
 *
 * @throws {SyscallError} E2BIG if there were more descriptors; those that came are closed
 * @see recvmsg(2), SCM_RIGHTS in unix(7)
 */
export function receiveDescriptors(socket: Fd): ReceivedDescriptors {
  const buffer = room(MOST_DATA)
  const { header, control } = putMessage(buffer, MOST_DATA, MOST_DESCRIPTORS)
  const got = retry(() => S(NR.recvmsg, socket.number, at(header), MSG_CMSG_CLOEXEC))
  const length = check('recvmsg', socket.label, got)
  const data = Buffer.from(arena.subarray(buffer, buffer + length))
  const fds = readDescriptors(control, view.getUint32(header + 40, true), socket.label)
  if ((view.getUint32(header + 48, true) & MSG_CTRUNC) === 0) return { data, fds }
  for (const fd of fds) fd.close()
  throw failure('recvmsg', socket.label, -E['2BIG'])
}

function readDescriptors(control: number, size: number, label: string): Fd[] {
  const fds: Fd[] = []
  for (let entry = control; entry + CMSG_HEADER <= control + size; ) {
    const length = view.getUint32(entry, true)
    if (length < CMSG_HEADER) break
    const isRights =
      view.getInt32(entry + 8, true) === SOL_SOCKET &&
      view.getInt32(entry + 12, true) === SCM_RIGHTS
    for (let fd = entry + CMSG_HEADER; isRights && fd + 4 <= entry + length; fd += 4) {
      fds.push(new Fd(view.getInt32(fd, true), `descriptor of ${label}`))
    }
    entry += (length + 7) & ~7
  }
  return fds
}
