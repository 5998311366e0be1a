/** The listener of a filter with SCMP_ACT_NOTIFY: from the process that loaded it to an agent. */
import { messageOf } from '../base/errors.ts'
import type { Fd } from '../sys/fd.ts'
import { O, open, readDirectory, readFile, readlink } from '../sys/file.ts'
import { pidfdGetFd } from '../sys/process.ts'
import { connectUnix, sendDescriptors } from '../sys/unix-socket.ts'

const NOTIFY = 'anon_inode:seccomp notify'

/**
 * Duplicates the listener that a process has got by loading a filter. Its number is not told: all
 * that the process does by then may be the listener's to judge.
 *
 * @param pid - the process, as this process's /proc has it
 * @throws {SyscallError} ENOSYS before Linux 5.6; {Error} if the process has none
 */
export function takeListener(pid: number, pidfd: Fd): Fd {
  using dir = open(undefined, `/proc/${pid}/fd`, O.RDONLY | O.DIRECTORY)
  const number = readDirectory(dir).find(
    (name) => readlink(dir, name) === NOTIFY && isClosedByExec(pid, name),
  )
  if (number === undefined) throw new Error(`process ${pid} has no seccomp listener`)
  return pidfdGetFd(pidfd, Number(number))
}

/** As the kernel makes it; the caller's descriptors, which may be of the same kind, are not. */
function isClosedByExec(pid: number, number: string): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFile(undefined, `/proc/${pid}/fdinfo/${number}`))
  return (Number.parseInt(flags?.[1] ?? '0', 8) & O.CLOEXEC) !== 0
}

/**
 * Sends a listener to an agent, in the one message of a connection of its own.
 *
 * @param path - of a listening stream socket; `@name` is an abstract one
 * @param state - the container process state, as JSON
 * @throws {Error} if nobody listens, or the message cannot be sent
 * @see the runtime specification, config-linux "The Container Process State"
 */
export function sendListener(path: string, state: string, listener: Fd): void {
  using socket = connect(path)
  try {
    sendDescriptors(socket, Buffer.from(state), [listener])
  } catch (cause) {
    throw new Error(`cannot send seccomp fd to ${path}: ${messageOf(cause)}`, { cause })
  }
}

function connect(path: string): Fd {
  try {
    return connectUnix(path)
  } catch (cause) {
    const text = 'failed to connect with seccomp agent specified in the seccomp profile'
    throw new Error(`${text}: ${messageOf(cause)}`, { cause })
  }
}
