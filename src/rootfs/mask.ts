/** maskedPaths and readonlyPaths: what of the container's tree is hidden or closed to writing. */
import type { Fd } from '../sys/fd.ts'
import { fstat, O, open, S_IF, stat } from '../sys/file.ts'
import {
  cloneTree,
  MOUNT_ATTR,
  MS,
  mount,
  mountSetattr,
  moveMount,
  newFilesystem,
} from '../sys/mount.ts'
import { hasMountDescriptors } from './kernel-support.ts'
import { keptFlags } from './locked-flags.ts'
import { findInRoot, type Root } from './resolve.ts'

/**
 * What covers masked paths: the null device over files, one empty read-only tmpfs over all
 * directories. Both are made before the root is entered, from the host's side: the container's own
 * /dev/null may be anything (threat T-04).
 */
export interface Covers {
  readonly file: Cover
  readonly directory: Cover
}

/** A tree that is moved to its first place, and cloned from there for the next ones. */
interface Cover {
  readonly tree: Fd
  attached: boolean
}

/**
 * Prepares covers; call before the root is entered.
 *
 * @returns undefined where the kernel has no detached mounts (before 5.12)
 */
export function prepareCovers(): Covers | undefined {
  using host = open(undefined, '/dev/null', O.PATH | O.NOFOLLOW)
  if (!isNullDevice(fstat(host))) throw new Error('/dev/null of the host is not the null device')
  if (!hasMountDescriptors()) return undefined
  const options = ['nr_blocks=1', 'nr_inodes=1', 'ro']
  const closed = MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC
  const file = cloneTree(host, '', false)
  // it is the host's inode: read-only, or chmod inside would change the host's /dev/null
  mountSetattr(file, { set: closed, clear: 0 })
  const directory = newFilesystem('tmpfs', 'tmpfs', options, closed | MOUNT_ATTR.NODEV)
  return {
    file: { tree: file, attached: false },
    directory: { tree: directory, attached: false },
  }
}

/** True for the character device 1:3. */
export function isNullDevice(found: {
  mode: number
  rdevMajor: number
  rdevMinor: number
}): boolean {
  return (found.mode & S_IF.MT) === S_IF.CHR && found.rdevMajor === 1 && found.rdevMinor === 3
}

/** Hides what is at `path`; a missing path, and one hidden already, is passed over. */
export function maskPath(root: Root, path: string, covers: Covers | undefined): void {
  using target = findInRoot(root, path)
  if (target === undefined) return
  const found = fstat(target)
  const isDirectory = (found.mode & S_IF.MT) === S_IF.DIR
  if (covers === undefined) {
    maskLegacy(path, isDirectory)
    return
  }
  const cover = isDirectory ? covers.directory : covers.file
  if (cover.attached) {
    if (isCover(found, cover)) return
    using another = cloneTree(cover.tree, '', false)
    moveMount(another, target)
  } else {
    moveMount(cover.tree, target)
    cover.attached = true
  }
}

function isCover(
  found: { ino: number; devMajor: number; devMinor: number },
  cover: Cover,
): boolean {
  const other = fstat(cover.tree)
  return (
    found.ino === other.ino &&
    found.devMajor === other.devMajor &&
    found.devMinor === other.devMinor
  )
}

function maskLegacy(path: string, isDirectory: boolean): void {
  if (isDirectory) {
    mount('tmpfs', path, 'tmpfs', MS.RDONLY, 'nr_blocks=1,nr_inodes=1')
    return
  }
  mount('/dev/null', path, '', MS.BIND)
  // checked afterwards: nobody can put a link in the way of what is mounted
  if (!isNullDevice(stat(undefined, path, false))) {
    throw new Error("the container's /dev/null is not the null device")
  }
}

/** Closes what is at `path` to writing; a missing path is passed over. */
export function makePathReadonly(root: Root, path: string): void {
  using target = findInRoot(root, path)
  if (target === undefined) return
  if (hasMountDescriptors()) {
    using tree = cloneTree(target, '', true)
    mountSetattr(tree, { set: MOUNT_ATTR.RDONLY, clear: 0 })
    moveMount(tree, target)
    return
  }
  mount(path, path, '', MS.BIND | MS.REC)
  mount('', path, '', MS.BIND | MS.REMOUNT | MS.RDONLY | keptFlags(target))
}
