/** What has to do with a service manager: programs for a container, and what stands for systemd. */
import type { Arg } from '../stub/program.ts'
import type { Fd } from '../sys/fd.ts'
import { pollIn } from '../sys/socket.ts'
import { bindUnix, receiveDescriptors } from '../sys/unix-socket.ts'
import { eventually } from './kernel.ts'
import { call, image } from './static-program.ts'

const AF_UNIX = 1
const SOCK_DGRAM = 2
const MSG_NOSIGNAL = 0x4000

/** A static program that sends datagrams to a socket. */
export function notifier(path: string, messages: readonly string[]): Uint8Array {
  const address = new Uint8Array(2 + path.length + 1)
  address[0] = AF_UNIX
  address.set(Buffer.from(path), 2)
  const to: Arg = { bytes: address }
  return image(
    messages.flatMap((message, i) => {
      const bytes = Buffer.from(message)
      const data = [{ bytes }, bytes.length] as const
      return [
        call('socket', [AF_UNIX, SOCK_DGRAM, 0], { row: 2 * i + 1, arg: 0 }),
        call('sendto', [-1, ...data, MSG_NOSIGNAL, to, address.length]),
      ]
    }),
  )
}

/** A static program that accepts a connection on the listening socket `number`, and says `text` to it. */
export function greeter(number: number, text: string): Uint8Array {
  const bytes = Buffer.from(text)
  return image([
    call('accept4', [number, 0, 0, 0], { row: 1, arg: 0 }),
    call('write', [-1, { bytes }, bytes.length]),
  ])
}

/** One datagram, with the descriptors that came with it. */
export interface Notification {
  readonly text: string
  readonly fds: readonly Fd[]
}

/** What stands for systemd. */
export class Manager implements Disposable {
  readonly #socket: Fd

  /** @param path - of its socket; `@name` is an abstract one */
  constructor(path: string) {
    this.#socket = bindUnix(path, 'datagram')
  }

  /** The next datagram, if there is one. */
  take(): Notification | undefined {
    if (!pollIn([this.#socket], 0)[0]) return undefined
    const { data, fds } = receiveDescriptors(this.#socket)
    return { text: data.toString(), fds }
  }

  /** Waits for the next datagram. */
  next(): Promise<Notification> {
    return eventually('a notification', () => this.take())
  }

  close(): void {
    this.#socket.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
