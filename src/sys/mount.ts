import { check, failure } from './check.ts'
import { E } from './errno.ts'
import { Fd } from './fd.ts'
import { S } from './ffi.ts'
import { AT, type Dir, labelOf } from './file.ts'
import { alloc, at, put64, str } from './memory.ts'
import { NR } from './numbers.ts'

/** `MS_*` of mount(2). */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  SYNCHRONOUS: 16,
  REMOUNT: 32,
  MANDLOCK: 64,
  DIRSYNC: 128,
  NOSYMFOLLOW: 256,
  NOATIME: 1024,
  NODIRATIME: 2048,
  BIND: 4096,
  MOVE: 8192,
  REC: 16384,
  SILENT: 32768,
  UNBINDABLE: 1 << 17,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
  RELATIME: 1 << 21,
  I_VERSION: 1 << 23,
  STRICTATIME: 1 << 24,
  LAZYTIME: 1 << 25,
} as const

/** `MOUNT_ATTR_*` of mount_setattr(2). Access time is one field of three bits, not flags. */
export const MOUNT_ATTR = {
  RDONLY: 0x1,
  NOSUID: 0x2,
  NODEV: 0x4,
  NOEXEC: 0x8,
  ATIME: 0x70,
  RELATIME: 0x0,
  NOATIME: 0x10,
  STRICTATIME: 0x20,
  NODIRATIME: 0x80,
  NOSYMFOLLOW: 0x200000,
} as const

/** What mount_setattr(2) is asked for. */
export interface MountAttributes {
  readonly set: number
  readonly clear: number
  /** One of `MS.SHARED`, `SLAVE`, `PRIVATE`, `UNBINDABLE`, or 0. */
  readonly propagation?: number
}

const OPEN_TREE_CLONE = 1
const O_CLOEXEC = 0o2000000

/**
 * Copies the mount at `path`, attached nowhere yet.
 *
 * @param recursive - with all mounts below it
 * @throws {SyscallError} ENOSYS before Linux 5.2
 * @see open_tree(2)
 */
export function cloneTree(dir: Dir, path: string, recursive: boolean, nofollow = false): Fd {
  const flags =
    OPEN_TREE_CLONE |
    O_CLOEXEC |
    (recursive ? AT.RECURSIVE : 0) |
    (path === '' ? AT.EMPTY_PATH : 0) |
    (nofollow ? AT.SYMLINK_NOFOLLOW : 0)
  const label = labelOf(dir, path)
  const result = S(NR.open_tree, dir?.number ?? AT.FDCWD, str(path), flags)
  return new Fd(check('open_tree', label, result), label)
}

const MOVE_MOUNT_F_EMPTY_PATH = 4
const MOVE_MOUNT_T_EMPTY_PATH = 0x40

/** Attaches a detached tree on an open directory or file. @see move_mount(2) (Linux 5.2) */
export function moveMount(tree: Fd, target: Fd): void {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
  const empty = str('')
  const result = S(NR.move_mount, tree.number, empty, target.number, empty, flags)
  check('move_mount', `${tree.label} to ${target.label}`, result)
}

/**
 * Changes the attributes or the propagation of the mount that `fd` is on.
 *
 * @throws {SyscallError} ENOSYS before Linux 5.12; EPERM for a locked flag in a user namespace
 * @see mount_setattr(2)
 */
export function mountSetattr(fd: Fd, attributes: MountAttributes, recursive = false): void {
  const attr = alloc(32)
  put64(attr, attributes.set)
  put64(attr + 8, attributes.clear)
  put64(attr + 16, attributes.propagation ?? 0)
  const flags = AT.EMPTY_PATH | (recursive ? AT.RECURSIVE : 0)
  check('mount_setattr', fd.label, S(NR.mount_setattr, fd.number, str(''), flags, at(attr), 32))
}

const FSOPEN_CLOEXEC = 1
const FSMOUNT_CLOEXEC = 1
const FSCONFIG = { SET_FLAG: 0, SET_STRING: 1, CMD_CREATE: 6 } as const

/**
 * A new instance of a file system, attached nowhere yet.
 *
 * @param options - file system options: `size=64k`, `ro`
 * @param attributes - `MOUNT_ATTR` values of the mount
 * @throws {SyscallError} ENODEV for an unknown type; ENOSYS before Linux 5.2
 * @see fsopen(2), fsconfig(2), fsmount(2)
 */
export function newFilesystem(
  type: string,
  source: string,
  options: readonly string[],
  attributes: number,
): Fd {
  using context = new Fd(check('fsopen', type, S(NR.fsopen, str(type), FSOPEN_CLOEXEC)), type)
  if (source !== '') configure(context, 'source', source)
  for (const option of options) {
    const equals = option.indexOf('=')
    if (equals < 0) configure(context, option)
    else configure(context, option.slice(0, equals), option.slice(equals + 1))
  }
  check('fsconfig', `${type} create`, S(NR.fsconfig, context.number, FSCONFIG.CMD_CREATE))
  const result = S(NR.fsmount, context.number, FSMOUNT_CLOEXEC, attributes)
  return new Fd(check('fsmount', type, result), type)
}

function configure(context: Fd, key: string, value?: string): void {
  const result =
    value === undefined
      ? S(NR.fsconfig, context.number, FSCONFIG.SET_FLAG, str(key))
      : S(NR.fsconfig, context.number, FSCONFIG.SET_STRING, str(key), str(value))
  check('fsconfig', `${context.label} ${value === undefined ? key : `${key}=${value}`}`, result)
}

/** Of longer ones the kernel would silently cut the end off. */
const LONGEST_DATA = 4095

/**
 * Plain mount(2), for kernels without the calls above.
 *
 * @throws {SyscallError} E2BIG for more than 4095 bytes of `data`
 * @see mount(2)
 */
export function mount(
  source: string,
  target: string,
  type: string,
  flags: number,
  data = '',
): void {
  if (Buffer.byteLength(data) > LONGEST_DATA)
    throw failure('mount', `${source} on ${target}`, -E['2BIG'])
  const result = S(
    NR.mount,
    str(source),
    str(target),
    str(type),
    flags,
    data === '' ? 0 : str(data),
  )
  check('mount', `${source} on ${target}`, result)
}

const MNT_DETACH = 2

/** Detaches the mount at `path` now, and frees it when it is no longer used. @see umount2(2) */
export function detachMount(path: string): void {
  check('umount2', path, S(NR.umount2, str(path), MNT_DETACH))
}

/** Makes the working directory the root mount, and stacks the old root on top of it. @see pivot_root(2) */
export function pivotRootHere(): void {
  check('pivot_root', '.', S(NR.pivot_root, str('.'), str('.')))
}
