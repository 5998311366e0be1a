import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { fstatfs } from '../sys/file.ts'
import { MOUNT_ATTR, mountSetattr } from '../sys/mount.ts'

/** `ST_*` flag of statfs(2), the attribute it stands for, its option word. */
const LOCKABLE: readonly (readonly [number, number, string])[] = [
  [1, MOUNT_ATTR.RDONLY, 'ro'],
  [2, MOUNT_ATTR.NOSUID, 'nosuid'],
  [4, MOUNT_ATTR.NODEV, 'nodev'],
  [8, MOUNT_ATTR.NOEXEC, 'noexec'],
]
const ST_SAME = 2 | 4 | 8
const ST_NOATIME = 0x400
const ST_NODIRATIME = 0x800
const ST_RELATIME = 0x1000

/** What a remount with mount(2) must repeat of the mount at `fd`, as `MS` flags: the values are the same. */
export function keptFlags(fd: Fd): number {
  return fstatfs(fd).flags & ST_SAME
}

/** The access time mode of a mounted tree, as `MOUNT_ATTR` values. */
function atimeOf(flags: number): number {
  const mode =
    (flags & ST_NOATIME) !== 0
      ? MOUNT_ATTR.NOATIME
      : (flags & ST_RELATIME) !== 0
        ? MOUNT_ATTR.RELATIME
        : MOUNT_ATTR.STRICTATIME
  return mode | ((flags & ST_NODIRATIME) !== 0 ? MOUNT_ATTR.NODIRATIME : 0)
}

/**
 * Sets the attributes of a bind mount. In a user namespace those of the source may be locked:
 * then they are kept, unless the configuration refuses one of them in so many words.
 *
 * @param refused - `MOUNT_ATTR` values that must not be there
 * @see mount_namespaces(7) "Restrictions on mount namespaces"
 */
export function setAttributes(
  tree: Fd,
  wanted: { readonly set: number; readonly clear: number },
  refused: number,
): void {
  try {
    mountSetattr(tree, wanted)
    return
  } catch (error) {
    if (!isErrno(error, E.PERM)) throw error
  }
  const { flags } = fstatfs(tree)
  let kept = 0
  const impossible: string[] = []
  for (const [st, attribute, word] of LOCKABLE) {
    if ((flags & st) === 0) continue
    kept |= attribute
    if ((refused & attribute) !== 0) impossible.push(word)
  }
  if (impossible.length > 0) {
    throw new Error(`cannot clear locked flags ${impossible.join(',')}`)
  }
  const atime = atimeOf(flags)
  const timed = (wanted.clear & MOUNT_ATTR.ATIME) !== 0
  if (timed && (wanted.set & MOUNT_ATTR.ATIME) !== (atime & MOUNT_ATTR.ATIME)) {
    throw new Error('cannot change locked atime flags')
  }
  const set = (wanted.set & ~MOUNT_ATTR.ATIME) | kept
  mountSetattr(tree, { set, clear: wanted.clear & ~(kept | MOUNT_ATTR.ATIME) })
}
