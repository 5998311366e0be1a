/** Device nodes and links below /dev, by the descriptor of the directory that holds them. */
import type { DeviceStep } from '../plan/steps.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { chown, mknod, O, open, S_IF, stat, statIfAny, symlink, unlink } from '../sys/file.ts'
import { cloneTree, MS, mount, moveMount } from '../sys/mount.ts'
import { hasMountDescriptors } from './kernel-support.ts'
import { pathOf } from './legacy-mount.ts'
import { ensureInRoot, ensureParent, type Root } from './resolve.ts'

/**
 * Makes one node. A node of the same type and number that is there already is kept.
 *
 * @throws {Error} when something else is there (M-060)
 */
export function makeDevice(root: Root, step: DeviceStep): void {
  const { dir, name } = ensureParent(root, step.path)
  using parent = dir
  try {
    mknod(parent, name, step.mode, step.major, step.minor)
  } catch (error) {
    if (isErrno(error, E.EXIST)) expectSame(parent, name, step)
    else if (isErrno(error, E.PERM)) bindHostDevice(root, step)
    else throw error
    return
  }
  if (step.uid === 0 && step.gid === 0) return
  using node = open(parent, name, O.PATH | O.NOFOLLOW)
  // who shares the directory can have put something else there
  expectSame(node, '', step)
  chown(node, step.uid, step.gid)
}

function expectSame(dir: Fd, name: string, step: DeviceStep): void {
  const found = stat(dir, name, false)
  const sameType = (found.mode & S_IF.MT) === (step.mode & S_IF.MT)
  const isNode = (step.mode & S_IF.MT) !== S_IF.FIFO
  const sameNumber = found.rdevMajor === step.major && found.rdevMinor === step.minor
  if (sameType && (sameNumber || !isNode)) return
  throw new Error(`${step.path} exists and is not the device ${step.major}:${step.minor}`)
}

/** Where mknod is not allowed: the host's own node, if it is the same device. */
function bindHostDevice(root: Root, step: DeviceStep): void {
  const modern = hasMountDescriptors()
  using tree = modern
    ? cloneTree(undefined, step.path, false)
    : open(undefined, step.path, O.PATH | O.NOFOLLOW)
  const found = stat(tree, '')
  if (found.rdevMajor !== step.major || found.rdevMinor !== step.minor) {
    throw new Error(`mknod is not permitted, and the host's ${step.path} is another device`)
  }
  using target = ensureInRoot(root, step.path, 'file').fd
  if (modern) moveMount(tree, target)
  else mount(pathOf(tree), pathOf(target), '', MS.BIND)
}

/** Name in /dev, target. @see runtime-spec runtime-linux.md "Dev symbolic links" */
const LINKS: readonly (readonly [string, string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
]

/** Makes the links in /dev; those that exist stay, but ptmx is always devpts' own. */
export function makeDeviceLinks(root: Root): void {
  using dev = ensureInRoot(root, '/dev', 'directory').fd
  const links = [...LINKS]
  if (statIfAny(undefined, '/proc/kcore') !== undefined) links.push(['core', '/proc/kcore'])
  for (const [name, target] of links) linkUnlessThere(dev, name, target)
  try {
    unlink(dev, 'ptmx')
  } catch (error) {
    if (!isErrno(error, E.NOENT)) throw error
  }
  symlink('pts/ptmx', dev, 'ptmx')
}

function linkUnlessThere(dev: Fd, name: string, target: string): void {
  try {
    symlink(target, dev, name)
  } catch (error) {
    if (!isErrno(error, E.EXIST)) throw error
  }
}
