/**
 * Mounts with mount(2) where the kernel has no open_tree, fsopen and mount_setattr (before 5.2 and
 * 5.12). The target is still a descriptor, named through /proc/self/fd.
 */
import type { MountStep } from '../plan/steps.ts'
import { Fd } from '../sys/fd.ts'
import { O, open, S_IF, stat } from '../sys/file.ts'
import { MS, mount } from '../sys/mount.ts'
import { ensureInRoot, type Root } from './resolve.ts'

type CheckPlace = (root: Root, target: Fd, step: MountStep, tree?: Fd) => void

function pathOf(fd: Fd): string {
  return `/proc/self/fd/${fd.number}`
}

/**
 * Binds or mounts `step` at its destination.
 *
 * @param checkPlace - refuses destinations that no mount may have
 * @throws {SyscallError}; {Error} for recursive attributes, which mount(2) cannot set
 */
export function attachLegacy(root: Root, step: MountStep, checkPlace: CheckPlace): void {
  if (step.tree !== undefined) {
    throw new Error('recursive mount options need mount_setattr (Linux 5.12)')
  }
  const bind = step.kind === 'bind'
  const isFile = bind && (stat(undefined, step.source).mode & S_IF.MT) !== S_IF.DIR
  using target = ensureInRoot(root, step.destination, isFile ? 'file' : 'directory').fd
  using source = bind ? open(undefined, step.source, O.PATH) : new Fd(-1, '')
  checkPlace(root, target, step, bind ? source : undefined)
  if (bind) {
    mount(pathOf(source), pathOf(target), '', MS.BIND | (step.recursive ? MS.REC : 0))
  } else {
    const words = step.data.filter((word) => word !== 'ro' && word !== 'sync')
    mount(step.source || step.type, pathOf(target), step.type, step.flags, words.join(','))
  }
  // the mount hides what `target` is open on: open the place again to reach the new one
  using mounted = ensureInRoot(root, step.destination, isFile ? 'file' : 'directory').fd
  if (bind && step.attributes !== undefined) {
    mount('', pathOf(mounted), '', MS.BIND | MS.REMOUNT | step.flags)
  }
  for (const propagation of step.propagation) mount('', pathOf(mounted), '', propagation)
}
