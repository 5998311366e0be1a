import { check } from './check.ts'
import { S } from './ffi.ts'
import { alloc, arena, at, view } from './memory.ts'
import { NR } from './numbers.ts'
import { inetSocket } from './socket.ts'

const SIOCSIFFLAGS = 0x8914
const IFF_UP = 1
/** struct ifreq: 16 bytes of name, then the request's own member. */
const IFREQ_SIZE = 40
const NAME_SIZE = 16

/** Brings the loopback interface of this network namespace up. @see netdevice(7) */
export function bringLoopbackUp(): void {
  using socket = inetSocket()
  const request = alloc(IFREQ_SIZE)
  arena.write('lo', request, 'latin1')
  view.setInt16(request + NAME_SIZE, IFF_UP, true)
  check('ioctl', 'SIOCSIFFLAGS lo', S(NR.ioctl, socket.number, SIOCSIFFLAGS, at(request)))
}
