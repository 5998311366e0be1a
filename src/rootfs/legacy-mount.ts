/**
 * Mounts with mount(2), for kernels without open_tree, fsopen and mount_setattr (before 5.12).
 * Targets are descriptors still, named through /proc/self/fd. A new mount hides what its target is
 * open on, so its place is opened once more, and what is found there is compared.
 */
import type { Fd } from '../sys/fd.ts'
import { fstat } from '../sys/file.ts'
import { MOUNT_ATTR, MS, mount } from '../sys/mount.ts'

/** A place to mount on. */
export interface Place {
  /** Open on it. */
  readonly fd: Fd
  /** Opens it again, which after mounting gives the root of the new mount. */
  readonly reopen: () => Fd
}

/** How mount(2) is told of an open file. */
export function pathOf(fd: Fd): string {
  return `/proc/self/fd/${fd.number}`
}

/** `MOUNT_ATTR` values as `MS` flags. */
export function flagsOf(attributes: number): number {
  // these four have the same values in both
  const same = MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC
  let flags = attributes & same
  const atime = attributes & MOUNT_ATTR.ATIME
  if (atime === MOUNT_ATTR.NOATIME) flags |= MS.NOATIME
  if (atime === MOUNT_ATTR.STRICTATIME) flags |= MS.STRICTATIME
  if ((attributes & MOUNT_ATTR.NODIRATIME) !== 0) flags |= MS.NODIRATIME
  if ((attributes & MOUNT_ATTR.NOSYMFOLLOW) !== 0) flags |= MS.NOSYMFOLLOW
  return flags
}

/**
 * Binds the open `source` on `place`.
 *
 * @param flags - `MS` flags of the new mount; undefined keeps those of the source
 * @returns the root of the new mount
 * @throws {Error} if something else than `source` is at the place afterwards
 */
export function bindOn(
  source: Fd,
  place: Place,
  recursive: boolean,
  flags: number | undefined,
): Fd {
  mount(pathOf(source), pathOf(place.fd), '', MS.BIND | (recursive ? MS.REC : 0))
  const mounted = place.reopen()
  const wanted = fstat(source)
  const found = fstat(mounted)
  const same =
    wanted.ino === found.ino &&
    wanted.devMajor === found.devMajor &&
    wanted.devMinor === found.devMinor
  if (!same) throw new Error(`${place.fd.label} changed while it was mounted on`)
  if (flags !== undefined) mount('', pathOf(mounted), '', MS.BIND | MS.REMOUNT | flags)
  return mounted
}

/**
 * Mounts a new instance of a file system on `place`.
 *
 * @param words - options of the file system, joined with commas
 * @returns the root of the new mount
 */
export function mountFilesystemOn(
  type: string,
  source: string,
  words: readonly string[],
  flags: number,
  place: Place,
): Fd {
  mount(source === '' ? 'none' : source, pathOf(place.fd), type, flags, words.join(','))
  return place.reopen()
}
