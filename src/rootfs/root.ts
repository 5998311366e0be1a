/** The root mount itself: making it, entering it, and what becomes read-only in it. */
import { check, isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { fstat, O, open, readFile, readlink } from '../sys/file.ts'
import { str } from '../sys/memory.ts'
import {
  cloneTree,
  detachMount,
  MOUNT_ATTR,
  MS,
  mount,
  mountSetattr,
  moveMount,
  pivotRootHere,
} from '../sys/mount.ts'
import { NR } from '../sys/numbers.ts'
import { hasMountDescriptors } from './kernel-support.ts'
import { pathOf } from './legacy-mount.ts'
import { keptFlags } from './locked-flags.ts'
import { openInRoot, type Root } from './resolve.ts'

/**
 * Binds the root file system onto itself in the new mount namespace, so that it is a mount.
 *
 * @param path - absolute path on the host
 * @param propagation - `MS` type of `/` in the new namespace, 0 for the default, recursive slave:
 *   nothing that is mounted here reaches the host
 */
export function makeRootMount(path: string, propagation: number): Root {
  const type = propagation & ~MS.REC
  // an unbindable `/` could not be bound: it becomes so after the pivot
  const first = propagation === 0 || type === MS.UNBINDABLE ? MS.SLAVE | MS.REC : propagation
  mount('', '/', '', first)
  using below = open(undefined, path, O.PATH | O.DIRECTORY)
  if ((first & MS.REC) === 0 || type === MS.SHARED) {
    leavePeers(below, type === MS.SLAVE ? MS.SLAVE : MS.PRIVATE)
  }
  const fd = bindOnItself(below, path)
  return { fd, hostPath: readlink(undefined, `/proc/self/fd/${fd.number}`) }
}

function bindOnItself(below: Fd, path: string): Fd {
  if (hasMountDescriptors()) {
    const tree = cloneTree(below, '', true)
    moveMount(tree, below)
    return new Fd(tree.number, path)
  }
  mount(pathOf(below), pathOf(below), '', MS.BIND | MS.REC)
  return open(undefined, path, O.PATH | O.DIRECTORY)
}

/** Makes the mount that holds `fd` a slave or private: mounts on it would reach its peers on the host. */
function leavePeers(fd: Fd, propagation: number): void {
  const id = mountId(fd)
  let top = open(fd, '.', O.PATH | O.DIRECTORY)
  for (;;) {
    const above = open(top, '..', O.PATH | O.DIRECTORY)
    const isSame = mountId(above) === id && fstat(above).ino !== fstat(top).ino
    if (!isSame) {
      above.close()
      break
    }
    top.close()
    top = above
  }
  using root = top
  mount('', pathOf(root), '', propagation)
}

/** @see proc_pid_fdinfo(5) */
function mountId(fd: Fd): string {
  const info = readFile(undefined, `/proc/self/fdinfo/${fd.number}`)
  return /^mnt_id:\s*(\d+)$/m.exec(info)?.[1] ?? ''
}

/** @see proc_pid_mountinfo(5) */
function mountInfo(): { point: string; type: string; root: string }[] {
  return readFile(undefined, '/proc/self/mountinfo', 64 << 20)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const fields = line.split(' ')
      const plain = (text = ''): string =>
        text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
          String.fromCharCode(Number.parseInt(octal, 8)),
        )
      return {
        root: plain(fields[3]),
        point: plain(fields[4]),
        type: fields[fields.indexOf('-') + 1] ?? '',
      }
    })
}

function changeDirectory(fd: Fd): void {
  check('fchdir', fd.label, S(NR.fchdir, fd.number))
}

function changeRoot(path: string): void {
  check('chroot', path, S(NR.chroot, str(path)))
  check('chdir', '/', S(NR.chdir, str('/')))
}

/** Makes the root mount `/` and lets the host's tree go. @see pivot_root(2) */
export function pivotInto(root: Root): void {
  using host = open(undefined, '/', O.PATH | O.DIRECTORY)
  changeDirectory(root.fd)
  pivotRootHere()
  // the host's tree now lies on top of `/`; `.` would still be the container's
  changeDirectory(host)
  // as a slave, letting it go does not unmount anything on the host
  mount('', '.', '', MS.SLAVE | MS.REC)
  detachMount('.')
  check('chdir', '/', S(NR.chdir, str('/')))
}

/**
 * Moves the root mount over `/` (for hosts that run from an initial ramdisk, which cannot be
 * pivoted away). The host's full proc and sysfs mounts go first: with one of them in reach the
 * kernel would let the container mount another without masks.
 */
export function moveInto(root: Root): void {
  const outside = mountInfo().filter(
    ({ type, root: part, point }) =>
      (type === 'proc' || type === 'sysfs') &&
      part === '/' &&
      !`${point}/`.startsWith(`${root.hostPath}/`),
  )
  for (const { point } of outside.reverse()) hideMount(point)
  changeDirectory(root.fd)
  mount('.', '/', '', MS.MOVE)
  changeRoot('.')
}

function hideMount(point: string): void {
  try {
    mount('', point, '', MS.SLAVE | MS.REC)
    detachMount(point)
  } catch (error) {
    if (!isErrno(error, E.INVAL, E.PERM)) throw error
    mount('tmpfs', point, 'tmpfs', 0)
  }
}

/** Without a mount namespace: only the view of this process changes. */
export function chrootInto(root: Root): void {
  changeDirectory(root.fd)
  changeRoot('.')
}

/** Makes the mount at `fd` read-only, whatever else it is. */
function setReadonly(fd: Fd): void {
  if (hasMountDescriptors()) {
    mountSetattr(fd, { set: MOUNT_ATTR.RDONLY, clear: 0 })
    return
  }
  // in the container there may be no /proc to name `fd` through
  changeDirectory(fd)
  mount('', '.', '', MS.BIND | MS.REMOUNT | MS.RDONLY | keptFlags(fd))
  check('chdir', '/', S(NR.chdir, str('/')))
}

/** Makes the root mount read-only (M-016). */
export function makeRootReadonly(): void {
  using here = open(undefined, '/', O.PATH | O.DIRECTORY)
  setReadonly(here)
}

/** Makes the mount at `destination` read-only. */
export function makeMountReadonly(root: Root, destination: string): void {
  using fd = openInRoot(root, destination, O.PATH)
  setReadonly(fd)
}

/** Sets the propagation of the container's `/` once it is entered. */
export function setRootPropagation(propagation: number): void {
  mount('', '/', '', propagation)
}

/** Opens the root file system as it is, for a container without a mount namespace. */
export function openRootDirectory(path: string): Root {
  const fd = open(undefined, path, O.PATH | O.DIRECTORY)
  return { fd, hostPath: readlink(undefined, `/proc/self/fd/${fd.number}`) }
}
