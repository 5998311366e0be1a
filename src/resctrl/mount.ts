/** Where the host has its resctrl file system. @see the kernel's filesystems/resctrl.rst */
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { flock, fstatfs, LOCK, O, open, readFile, statIfAny } from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'
import { sleepMs } from '../sys/signal.ts'

const RDTGROUP_SUPER_MAGIC = 0x7655821
const MOUNTINFO_MOST = 64 << 20

/**
 * For tests only: a directory to take for the mount point. What the kernel makes and removes by
 * itself in a resctrl file system is then made and removed by fake-tree.ts.
 */
const TEST_ROOT = 'RESCTRL_TEST_ROOT'

/** An opened resctrl file system. */
export class ResctrlTree implements Disposable {
  /** The root of the file system: the default class of service. */
  readonly root: Fd
  /** True if it is made of ordinary files. */
  readonly isFake: boolean

  constructor(root: Fd, isFake: boolean) {
    this.root = root
    this.isFake = isFake
  }

  /** Closes the root, which gives a lock up. */
  [Symbol.dispose](): void {
    this.root.close()
  }

  /** True if the kernel can control or monitor this resource: a name in `info`. */
  has(resource: string): boolean {
    return statIfAny(this.root, `info/${resource}`) !== undefined
  }
}

/**
 * Opens the file system where it is mounted in the runtime's mount namespace.
 *
 * @returns undefined if it is not
 * @throws {SyscallError}
 */
export function openResctrl(): ResctrlTree | undefined {
  const test = process.env[TEST_ROOT]
  if (test !== undefined && test !== '' && hasOwnEnvironment()) {
    return new ResctrlTree(open(undefined, test, O.RDONLY | O.DIRECTORY), true)
  }
  for (const path of resctrlMounts(readFile(undefined, '/proc/self/mountinfo', MOUNTINFO_MOST))) {
    const root = openMount(path)
    if (root !== undefined) return new ResctrlTree(root, false)
  }
  return undefined
}

/** False if whoever set the environment may have had fewer rights than this process has. */
function hasOwnEnvironment(): boolean {
  return S(NR.getuid) === S(NR.geteuid) && S(NR.getgid) === S(NR.getegid)
}

/** Undefined if the mount is gone, or hidden below another one. */
function openMount(path: string): Fd | undefined {
  let root: Fd
  try {
    root = open(undefined, path, O.RDONLY | O.DIRECTORY)
  } catch (error) {
    if (isErrno(error, E.NOENT, E.NOTDIR)) return undefined
    throw error
  }
  if (fstatfs(root).type === RDTGROUP_SUPER_MAGIC) return root
  root.close()
  return undefined
}

/**
 * The mount points of whole resctrl file systems in a mountinfo file: a bind of one group is none.
 *
 * @see proc_pid_mountinfo(5)
 */
export function resctrlMounts(mountinfo: string): string[] {
  const paths: string[] = []
  for (const line of mountinfo.split('\n')) {
    const [fields = '', source = ''] = line.split(' - ', 2)
    if (!source.startsWith('resctrl ')) continue
    const [, , , root, path = ''] = fields.split(' ')
    if (root === '/') paths.push(unescapeOctal(path))
  }
  return paths
}

function unescapeOctal(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
}

const LOCK_NB = 4
/** How long to wait for others that change resctrl, in ms. */
const LOCK_LIMIT_MS = 2000

/**
 * Keeps others that honour the file system's lock from changing it until `tree` is closed. Any user
 * of the host can take the lock and keep it; so after a while it goes on without.
 *
 * @see the kernel's filesystems/resctrl.rst "Notes on Locking"
 */
export function lockResctrl(tree: ResctrlTree): void {
  for (let waited = 0; waited < LOCK_LIMIT_MS; waited += 20) {
    try {
      flock(tree.root, LOCK.EX | LOCK_NB)
      return
    } catch (error) {
      if (!isErrno(error, E.AGAIN)) throw error
      sleepMs(20)
    }
  }
}
