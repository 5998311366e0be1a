/** /sys/fs/cgroup inside the container. */
import type { CgroupPath } from '../plan/cgroup.ts'
import type { CgroupView, MountStep } from '../plan/steps.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { mkdir, O, open, symlink } from '../sys/file.ts'
import { cloneTree, MOUNT_ATTR, mountSetattr, moveMount, newFilesystem } from '../sys/mount.ts'

/**
 * Mounts the container's view of its cgroups on `target`, every part of it with the attributes of
 * the step: a hierarchy that was writable by mistake would be a way to the host (threat T-26).
 */
export function mountCgroups(target: Fd, step: MountStep, view: CgroupView): void {
  const attributes = step.attributes?.set ?? 0
  if (view.plan.mode === 'v2') mountUnified(target, view, attributes)
  else mountLegacyHierarchies(target, view, attributes)
}

/** cgroup v2: one hierarchy; where it cannot be mounted afresh, the host's mount is bound. */
function mountUnified(target: Fd, view: CgroupView, attributes: number): void {
  using tree = unifiedTree(view, attributes)
  moveMount(tree, target)
}

function unifiedTree(view: CgroupView, attributes: number): Fd {
  try {
    return newFilesystem('cgroup2', 'cgroup', [], attributes)
  } catch (error) {
    if (!isErrno(error, E.PERM, E.BUSY)) throw error
  }
  const [own] = view.plan.paths
  return boundTree((view.isPrivate ? own?.path : own?.mountPoint) ?? '/sys/fs/cgroup', attributes)
}

function boundTree(path: string, attributes: number): Fd {
  const tree = cloneTree(undefined, path, false)
  mountSetattr(tree, {
    set: attributes,
    clear: (attributes & MOUNT_ATTR.ATIME) !== 0 ? MOUNT_ATTR.ATIME : 0,
  })
  return tree
}

/** cgroup v1: a small tmpfs with one mount a hierarchy, and links for controllers that share one. */
function mountLegacyHierarchies(target: Fd, view: CgroupView, attributes: number): void {
  const inner = MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC
  using tmpfs = newFilesystem('tmpfs', 'cgroup', ['mode=755'], inner)
  moveMount(tmpfs, target)
  for (const cgroup of view.plan.paths) {
    // the cgroup v2 hierarchy of a hybrid host has no controllers to show
    if (cgroup.controllers === '') continue
    const name = directoryOf(cgroup.controllers)
    mkdir(tmpfs, name, 0o755)
    using place = open(tmpfs, name, O.PATH | O.DIRECTORY | O.NOFOLLOW)
    using tree = view.isPrivate
      ? newFilesystem('cgroup', 'cgroup', hierarchyOptions(cgroup), attributes)
      : boundTree(cgroup.path, attributes)
    moveMount(tree, place)
    for (const controller of name.split(',')) {
      if (controller !== name) symlink(name, tmpfs, controller)
    }
  }
  if ((attributes & MOUNT_ATTR.RDONLY) !== 0) {
    mountSetattr(tmpfs, { set: MOUNT_ATTR.RDONLY, clear: 0 })
  }
}

function directoryOf(controllers: string): string {
  return controllers.replace(/^name=/, '')
}

/** @see cgroups(7) "Mounting v1 controllers" */
function hierarchyOptions({ controllers }: CgroupPath): string[] {
  return controllers.startsWith('name=') ? ['none', controllers] : controllers.split(',')
}
