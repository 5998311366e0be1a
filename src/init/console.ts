/**
 * The terminal of a container's process, made inside the container by the process itself. Loaded
 * before the clone, and only for a process that wants a terminal.
 */
import type { TerminalPlan } from '../plan/process-plan.ts'
import { hasMountDescriptors } from '../rootfs/kernel-support.ts'
import { ensureInRoot, openInRoot, type Root } from '../rootfs/resolve.ts'
import { check, failure, isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { chown, fstat, O, open, S_IF } from '../sys/file.ts'
import { str } from '../sys/memory.ts'
import { cloneTree, MS, mount, moveMount } from '../sys/mount.ts'
import { NR } from '../sys/numbers.ts'
import { openPty, setControllingTerminal, setTerminalSize } from '../sys/terminal.ts'
import { sendDescriptors } from '../sys/unix-socket.ts'

const STREAMS = [0, 1, 2] as const
const DEVPTS = '/dev/pts'
/** The name that goes with the master. */
const PTMX = '/dev/pts/ptmx'
const CONSOLE = 'console'
const CONSOLE_MODE = 0o666

/** Where the process is, and what it wants. */
export interface ConsoleRequest {
  /** The container's root, which the process has entered. */
  readonly root: Root
  /** The owner of the terminal, as the container counts. */
  readonly uid: number
  readonly terminal: TerminalPlan
  /** A connected socket, which gets one message: the name and the descriptor of the master. Closed. */
  readonly sink: Fd
  /** False if a child of this process, in a session of its own, makes it its controlling terminal. */
  readonly isLeader?: boolean
  /** Descriptor of a procfs, to bind the terminal on /dev/console; absent: it is not bound. */
  readonly bindThrough?: Fd
}

/**
 * Makes a pseudo-terminal in the container's devpts, hands its master over, and makes the other
 * end the standard streams and the controlling terminal of this process, which leads a session.
 *
 * @throws {Error} if the container has no devpts at /dev/pts, or its /dev/console is a link or a
 *   directory; {SyscallError} EPIPE and ECONNRESET if nobody takes the master
 */
export function setUpConsole(request: ConsoleRequest): void {
  const { root, uid, terminal, sink, bindThrough, isLeader = true } = request
  using devpts = openInRoot(root, DEVPTS, O.PATH | O.DIRECTORY)
  const pty = openPty(devpts)
  using master = pty.master
  using peer = pty.peer
  if (terminal.size) setTerminalSize(master, terminal.size)
  if (bindThrough) bindConsole(root, peer, bindThrough)
  if (fstat(peer).uid !== uid) giveTo(peer, uid)
  sendDescriptors(sink, Buffer.from(PTMX), [master])
  sink.close()
  for (const number of STREAMS) check('dup3', peer.label, S(NR.dup3, peer.number, number, 0))
  if (isLeader) setControllingTerminal(peer)
}

/** The group is that of the devpts' option `gid`. */
function giveTo(peer: Fd, uid: number): void {
  try {
    chown(peer, uid, -1)
  } catch (error) {
    // an id that a user namespace does not map, a file system that is not the container's
    if (!isErrno(error, E.PERM, E.INVAL, E.ROFS)) throw error
  }
}

function bindConsole(root: Root, peer: Fd, procfs: Fd): void {
  using dev = ensureInRoot(root, '/dev', 'directory').fd
  using target = openConsole(dev)
  if (hasMountDescriptors()) {
    using tree = cloneTree(peer, '', false)
    moveMount(tree, target)
    return
  }
  // the container's own /proc is not there to be trusted
  check('fchdir', procfs.label, S(NR.fchdir, procfs.number))
  mount(`self/fd/${peer.number}`, `self/fd/${target.number}`, '', MS.BIND)
  check('chdir', '/', S(NR.chdir, str('/')))
}

/** What the terminal is bound on, made if it is missing; a link would lead elsewhere (threat T-05). */
function openConsole(dev: Fd): Fd {
  const flags = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW | O.NOCTTY
  try {
    open(dev, CONSOLE, flags, CONSOLE_MODE).close()
  } catch (error) {
    if (!isErrno(error, E.EXIST)) throw error
  }
  const found = open(dev, CONSOLE, O.PATH | O.NOFOLLOW)
  const type = fstat(found).mode & S_IF.MT
  if (type !== S_IF.LNK && type !== S_IF.DIR) return new Fd(found.number, '/dev/console')
  found.close()
  throw failure('open', '/dev/console', type === S_IF.LNK ? -E.LOOP : -E.ISDIR)
}
