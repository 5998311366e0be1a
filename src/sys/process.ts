import { check, failure, retry } from './check.ts'
import { E } from './errno.ts'
import { Fd } from './fd.ts'
import { addressOf, S } from './ffi.ts'
import { AT } from './file.ts'
import { alloc, arena, at, put64, room, str, view } from './memory.ts'
import { NR } from './numbers.ts'

/** `CLONE_*` of clone(2), those that tsrun uses. NEWTIME only works with clone3 and unshare. */
export const CLONE = {
  NEWTIME: 0x80,
  PIDFD: 0x1000,
  NEWNS: 0x20000,
  NEWCGROUP: 0x2000000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
} as const

const SIGCHLD = 17
const CLONE_INTO_CGROUP_HIGH = 2 // bit 33

/**
 * A copy of this process. Returns twice: in the child with `pid` 0.
 *
 * @param flags - `CLONE.NEW*`
 * @param cgroup - a cgroup v2 directory to start in (Linux 5.7)
 * @throws {SyscallError} ENOSYS for `cgroup` or `CLONE.NEWTIME` without clone3
 * @see clone3(2) (Linux 5.3), clone(2)
 */
export function clone3(flags: number, cgroup?: Fd): { pid: number; pidfd: Fd } {
  const args = alloc(88)
  const pidfd = alloc(8)
  view.setInt32(pidfd, -1, true)
  view.setUint32(args, (flags | CLONE.PIDFD) >>> 0, true)
  if (cgroup !== undefined) view.setUint32(args + 4, CLONE_INTO_CGROUP_HIGH, true)
  put64(args + 8, at(pidfd))
  put64(args + 32, SIGCHLD)
  if (cgroup !== undefined) put64(args + 80, cgroup.number)
  let pid = S(NR.clone3, at(args), 88)
  // an older kernel, or a filter that does not know clone3; clone has all but time and cgroup
  if (pid === -E.NOSYS && cgroup === undefined && (flags & CLONE.NEWTIME) === 0) {
    pid = S(NR.clone, (flags | CLONE.PIDFD | SIGCHLD) >>> 0, 0, at(pidfd))
  }
  check('clone3', '', pid)
  return { pid, pidfd: new Fd(pid === 0 ? -1 : view.getInt32(pidfd, true), `process ${pid}`) }
}

/** Ends the process at once, with no tear-down of the engine. @see exit_group(2) */
export function exit(code: number): never {
  S(NR.exit_group, code)
  throw new Error('exit_group returned')
}

/** How a child ended. */
export interface Exit {
  readonly pid: number
  /** The exit status, or 128 + the signal's number. */
  readonly code: number
  /** What killed it; 0 if it has exited. */
  readonly signal: number
}

const WNOHANG = 1

/**
 * Reaps a child.
 *
 * @param pid - -1 for any
 * @param wait - false to return undefined at once if none has ended
 * @throws {SyscallError} ECHILD
 * @see wait4(2)
 */
export function waitFor(pid: number, wait = true): Exit | undefined {
  const status = alloc(8)
  const got = retry(() => S(NR.wait4, pid, at(status), wait ? 0 : WNOHANG, 0))
  if (check('wait4', `${pid}`, got) === 0) return undefined
  const word = view.getInt32(status, true)
  const signal = word & 0x7f
  return { pid: got, code: signal === 0 ? (word >> 8) & 0xff : 128 + signal, signal }
}

const P_PID = 1
const WEXITED = 4
const WNOWAIT = 0x0100_0000

/** True if the process is a child of this one that has not been reaped. @see waitid(2) */
export function isChild(pid: number): boolean {
  return S(NR.waitid, P_PID, pid, 0, WEXITED | WNOHANG | WNOWAIT, 0) === 0
}

/** A descriptor that means this process, whatever happens to its number. @see pidfd_open(2) (Linux 5.3) */
export function pidfdOpen(pid: number): Fd {
  const result = S(NR.pidfd_open, pid, 0)
  return new Fd(check('pidfd_open', `process ${pid}`, result), `process ${pid}`)
}

/** Sends a signal through a pidfd. @throws {SyscallError} ESRCH @see pidfd_send_signal(2) (Linux 5.1) */
export function pidfdSendSignal(pidfd: Fd, signal: number): void {
  check('pidfd_send_signal', pidfd.label, S(NR.pidfd_send_signal, pidfd.number, signal, 0, 0))
}

/**
 * A duplicate of another process's descriptor, close-on-exec.
 *
 * @param number - the descriptor there
 * @throws {SyscallError} EPERM without the right to trace that process, EBADF, ENOSYS
 * @see pidfd_getfd(2) (Linux 5.6)
 */
export function pidfdGetFd(pidfd: Fd, number: number): Fd {
  const result = S(NR.pidfd_getfd, pidfd.number, number, 0)
  const label = `descriptor ${number} of ${pidfd.label}`
  return new Fd(check('pidfd_getfd', label, result), label)
}

const PR_SET_PDEATHSIG = 1
const PR_SET_DUMPABLE = 4
const PR_SET_CHILD_SUBREAPER = 36

/** The signal this process gets when its parent dies. @see PR_SET_PDEATHSIG(2const) */
export function setParentDeathSignal(signal: number): void {
  check('prctl', 'PR_SET_PDEATHSIG', S(NR.prctl, PR_SET_PDEATHSIG, signal))
}

/** Orphaned descendants become children of this process. @see PR_SET_CHILD_SUBREAPER(2const) */
export function becomeSubreaper(): void {
  check('prctl', 'PR_SET_CHILD_SUBREAPER', S(NR.prctl, PR_SET_CHILD_SUBREAPER, 1))
}

/** Closes /proc/PID and ptrace to processes without CAP_SYS_PTRACE. @see PR_SET_DUMPABLE(2const) */
export function setUndumpable(): void {
  check('prctl', 'PR_SET_DUMPABLE', S(NR.prctl, PR_SET_DUMPABLE, 0))
}

/** Replaces the program by an executable file that is open. Returns only by an error. @see execveat(2) */
export function execFd(fd: Fd, argv: number, envp: number): never {
  throw failure('execveat', fd.label, S(NR.execveat, fd.number, str(''), argv, envp, AT.EMPTY_PATH))
}

/**
 * Replaces the program.
 *
 * @param path - absolute; nothing is searched
 * @returns only if it fails: the error number
 * @see execve(2)
 */
export function execve(path: string, argv: readonly string[], env: readonly string[]): number {
  const held: Uint8Array[] = []
  const place = (bytes: Uint8Array): number => {
    held.push(bytes)
    return addressOf(bytes)
  }
  const vector = (strings: readonly string[]): number => {
    const words = new BigUint64Array(strings.length + 1)
    strings.forEach((string, i) => {
      words[i] = BigInt(place(Buffer.from(`${string}\0`)))
    })
    return place(new Uint8Array(words.buffer))
  }
  const result = S(NR.execve, place(Buffer.from(`${path}\0`)), vector(argv), vector(env))
  // the memory is needed until here
  return held.length > 0 ? -result : 0
}

const RLIMIT_NOFILE = 7

/** Sets how many descriptors this process may open; a refusal leaves it as it is. @see prlimit(2) */
export function limitDescriptors(soft: bigint, hard: bigint): void {
  const limit = alloc(16)
  put64(limit, soft)
  put64(limit + 8, hard)
  S(NR.prlimit64, 0, RLIMIT_NOFILE, at(limit), 0)
}

/** An empty file in memory, to read and write. @see memfd_create(2) */
export function memoryFile(label: string): Fd {
  const result = S(NR.memfd_create, str(label), MFD_CLOEXEC)
  return new Fd(check('memfd_create', label, result), label)
}

const MFD_CLOEXEC = 1
const MFD_ALLOW_SEALING = 2
const MFD_EXEC = 0x10
const F_ADD_SEALS = 1033
const ALL_SEALS = 0xf // seal, shrink, grow, write

/**
 * An anonymous executable file that no one can change any more.
 *
 * @throws {SyscallError} EACCES where vm.memfd_noexec=2 forbids it
 * @see memfd_create(2), F_ADD_SEALS(2const)
 */
export function sealedExecutable(name: string, image: Uint8Array): Fd {
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING
  let number = S(NR.memfd_create, str(name), flags | MFD_EXEC)
  if (number === -E.INVAL) number = S(NR.memfd_create, str(name), flags) // before Linux 6.3
  const fd = new Fd(check('memfd_create', name, number), `memfd:${name}`)
  for (let done = 0; done < image.length; ) {
    const part = image.subarray(done, done + 65536)
    const buffer = room(part.length)
    arena.set(part, buffer)
    done += check('write', fd.label, S(NR.write, fd.number, at(buffer), part.length))
  }
  check('fcntl', `F_ADD_SEALS ${fd.label}`, S(NR.fcntl, fd.number, F_ADD_SEALS, ALL_SEALS))
  return fd
}

/** Joins the namespace that `fd` is open on. @throws {SyscallError} EINVAL if of another kind @see setns(2) */
export function setns(fd: Fd, kind: number): void {
  check('setns', fd.label, S(NR.setns, fd.number, kind))
}

/** Moves this process into new namespaces. @see unshare(2) */
export function unshare(flags: number, words: string): void {
  check('unshare', words, S(NR.unshare, flags))
}

/** Bytes of a CPU set: more CPUs no kernel is built for. */
const CPU_SET_SIZE = 1024

/**
 * Lets this process run on every CPU that its cpuset has, whatever its parent was bound to; a
 * kernel that refuses leaves it as it is. @see sched_setaffinity(2)
 */
export function useAllCpus(): void {
  const set = room(CPU_SET_SIZE)
  arena.fill(0xff, set, set + CPU_SET_SIZE)
  S(NR.sched_setaffinity, 0, CPU_SET_SIZE, at(set))
}
