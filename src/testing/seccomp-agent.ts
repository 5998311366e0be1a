/**
 * A seccomp agent, as a program: `seccomp-agent.ts SOCKET ERRNO NR...` listens, prints the message
 * that comes with a listener as one line, then answers each call with a number among those given
 * with the error, and lets all others go on. Each is printed, too. It ends with the last process
 * that it could be asked about.
 */
import { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { alloc, at, put64, view } from '../sys/memory.ts'
import { NR } from '../sys/numbers.ts'
import { POLL, pollIn } from '../sys/socket.ts'
import { accept, bindUnix, listen, receiveDescriptors } from '../sys/unix-socket.ts'

const NOTIF_RECV = 0xc050_2100
const NOTIF_SEND = 0xc018_2101
const FLAG_CONTINUE = 1

const [path = '', errno = '', ...numbers] = process.argv.slice(2)
const refused = new Set(numbers.map(Number))

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** One `struct seccomp_notif`, answered by a `struct seccomp_notif_resp`. */
function answer(listener: Fd): void {
  const request = alloc(80)
  if (S(NR.ioctl, listener.number, NOTIF_RECV, at(request)) < 0) return
  const nr = view.getInt32(request + 16, true)
  const response = alloc(24)
  put64(response, view.getBigUint64(request, true))
  if (refused.has(nr)) view.setInt32(response + 16, -Number(errno), true)
  else view.setUint32(response + 20, FLAG_CONTINUE, true)
  print(`call ${nr}`)
  S(NR.ioctl, listener.number, NOTIF_SEND, at(response))
}

const server = bindUnix(path, 'stream')
listen(server)
print('listening')
const connection = accept(server)
const { data, fds } = receiveDescriptors(connection)
const rest = receiveDescriptors(connection)
print(JSON.stringify({ message: data.toString(), fds: fds.length, rest: rest.data.length }))
const listener = fds[0] ?? new Fd(-1, 'none')
for (;;) {
  const [events = 0] = pollIn([listener])
  if ((events & POLL.IN) !== 0) answer(listener)
  else if (events !== 0) break
}
print('end')
