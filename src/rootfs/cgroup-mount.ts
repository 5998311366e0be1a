/** /sys/fs/cgroup inside the container. */
import type { CgroupPath } from '../plan/cgroup.ts'
import type { CgroupView, MountStep } from '../plan/steps.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { mkdir, O, open, symlink } from '../sys/file.ts'
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
import { bindOn, flagsOf, mountFilesystemOn, type Place, pathOf } from './legacy-mount.ts'

/**
 * Mounts the container's view of its cgroups on `place`, every part of it with the attributes of
 * the step: a hierarchy that was writable by mistake would be a way to the host (threat T-26).
 *
 * @returns the root of the view
 */
export function mountCgroups(place: Place, step: MountStep, view: CgroupView): Fd {
  const attributes = step.attributes?.set ?? 0
  return view.plan.mode === 'v2'
    ? mountUnified(place, view, attributes)
    : mountLegacyHierarchies(place, view, attributes)
}

/** cgroup v2: one hierarchy; where it cannot be mounted afresh, the host's mount is bound. */
function mountUnified(place: Place, view: CgroupView, attributes: number): Fd {
  try {
    return fresh(place, 'cgroup2', [], attributes)
  } catch (error) {
    if (!isErrno(error, E.PERM, E.BUSY)) throw error
  }
  const [own] = view.plan.paths
  return bound(
    place,
    (view.isPrivate ? own?.path : own?.mountPoint) ?? '/sys/fs/cgroup',
    attributes,
  )
}

function fresh(place: Place, type: string, words: readonly string[], attributes: number): Fd {
  if (!hasMountDescriptors()) {
    return mountFilesystemOn(type, 'cgroup', words, flagsOf(attributes), place)
  }
  const tree = newFilesystem(type, 'cgroup', words, attributes)
  moveMount(tree, place.fd)
  return tree
}

function bound(place: Place, path: string, attributes: number): Fd {
  if (!hasMountDescriptors()) {
    using source = open(undefined, path, O.PATH)
    return bindOn(source, place, false, flagsOf(attributes))
  }
  const tree = cloneTree(undefined, path, false)
  mountSetattr(tree, {
    set: attributes,
    clear: (attributes & MOUNT_ATTR.ATIME) !== 0 ? MOUNT_ATTR.ATIME : 0,
  })
  moveMount(tree, place.fd)
  return tree
}

/** cgroup v1: a small tmpfs with one mount a hierarchy, and links for controllers that share one. */
function mountLegacyHierarchies(place: Place, view: CgroupView, attributes: number): Fd {
  const inner = MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC
  const tmpfs = fresh(place, 'tmpfs', ['mode=755'], inner)
  for (const cgroup of view.plan.paths) {
    // the cgroup v2 hierarchy of a hybrid host has no controllers to show
    if (cgroup.controllers === '') continue
    const name = directoryOf(cgroup.controllers)
    mkdir(tmpfs, name, 0o755)
    const reopen = (): Fd => open(tmpfs, name, O.PATH | O.DIRECTORY | O.NOFOLLOW)
    using fd = reopen()
    const inside = { fd, reopen }
    using _ = view.isPrivate
      ? fresh(inside, 'cgroup', hierarchyOptions(cgroup), attributes)
      : bound(inside, cgroup.path, attributes)
    for (const controller of name.split(',')) {
      if (controller !== name) symlink(name, tmpfs, controller)
    }
  }
  if ((attributes & MOUNT_ATTR.RDONLY) !== 0) close(tmpfs, inner)
  return tmpfs
}

/** Closes the tmpfs to writing, now that all is in place. */
function close(tmpfs: Fd, inner: number): void {
  if (hasMountDescriptors()) mountSetattr(tmpfs, { set: MOUNT_ATTR.RDONLY, clear: 0 })
  else mount('', pathOf(tmpfs), '', MS.BIND | MS.REMOUNT | MS.RDONLY | flagsOf(inner))
}

function directoryOf(controllers: string): string {
  return controllers.replace(/^name=/, '')
}

/** @see cgroups(7) "Mounting v1 controllers" */
function hierarchyOptions({ controllers }: CgroupPath): string[] {
  return controllers.startsWith('name=') ? ['none', controllers] : controllers.split(',')
}
