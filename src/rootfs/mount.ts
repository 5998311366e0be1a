/** Carries out one planned mount inside the container's root. */

import type { CgroupView, MountStep } from '../plan/steps.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { fstat, fstatfs, O, open, S_IF } from '../sys/file.ts'
import { cloneTree, MS, mount, mountSetattr, moveMount, newFilesystem } from '../sys/mount.ts'
import { mountCgroups } from './cgroup-mount.ts'
import { copyUp } from './copy-up.ts'
import { hasMountDescriptors } from './kernel-support.ts'
import { bindOn, mountFilesystemOn, type Place, pathOf } from './legacy-mount.ts'
import { setAttributes } from './locked-flags.ts'
import { fitsConfig, spreadLayers } from './long-options.ts'
import {
  ensureInRoot,
  ensureOrdinaryDirectory,
  openInRoot,
  placeInRoot,
  type Root,
} from './resolve.ts'

const PROC_SUPER_MAGIC = 0x9fa0
const PROC_ROOT_INO = 1
/** What may be bound below /proc: files that describe the machine, no knobs. */
const BINDABLE_IN_PROC =
  /^\/proc\/(cpuinfo|diskstats|meminfo|stat|swaps|uptime|loadavg|slabinfo|sys\/kernel\/ns_last_pid|sys\/crypto\/fips_enabled)$/
/** Words of the plan that mount(2) has as flags. */
const GIVEN_AS_FLAGS = new Set(['ro', 'sync', 'dirsync', 'mand', 'lazytime'])

/** Mounts a file system or binds a file or directory. @throws {Error} with runc's words */
export function mountStep(root: Root, step: MountStep): void {
  try {
    if (step.tree !== undefined && !hasMountDescriptors()) {
      throw new Error('recursive mount options need mount_setattr (Linux 5.12)')
    }
    if (step.kind === 'bind') bind(root, step)
    else if (step.cgroups !== undefined) cgroupMount(root, step, step.cgroups)
    else if ((step.flags & MS.REMOUNT) !== 0) remount(root, step)
    else mountFilesystem(root, step)
  } catch (cause) {
    const from = JSON.stringify(step.source === '' ? step.type : step.source)
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(
      `error mounting ${from} to rootfs at ${JSON.stringify(step.destination)}: ${reason}`,
      { cause },
    )
  }
}

function bind(root: Root, step: MountStep): void {
  const modern = hasMountDescriptors()
  using source = modern
    ? cloneTree(undefined, step.source, step.recursive)
    : open(undefined, step.source, O.PATH)
  const isDirectory = (fstat(source).mode & S_IF.MT) === S_IF.DIR
  using target = ensureInRoot(root, step.destination, isDirectory ? 'directory' : 'file').fd
  const place = checkPlace(root, target, step, source)
  if (modern) {
    if (step.attributes !== undefined) setAttributes(source, step.attributes, step.refused)
    attach(source, target, step)
    return
  }
  const flags = step.attributes === undefined ? undefined : step.flags
  using mounted = bindOn(source, placeOf(root, target, step, place), step.recursive, flags)
  propagate(mounted, step)
}

/** A place that is open, and how to open it again: it must be where it was. */
function placeOf(root: Root, fd: Fd, step: MountStep, place: string): Place {
  const reopen = (): Fd => {
    const again = openInRoot(root, step.destination, O.PATH)
    if (placeInRoot(root, again) === place) return again
    again.close()
    throw new Error(`${step.destination} changed while it was mounted on`)
  }
  return { fd, reopen }
}

function cgroupMount(root: Root, step: MountStep, view: CgroupView): void {
  using target = ensureInRoot(root, step.destination, 'directory').fd
  const place = checkPlace(root, target, step)
  using mounted = mountCgroups(placeOf(root, target, step, place), step, view)
  if (step.tree !== undefined) mountSetattr(mounted, step.tree, true)
  propagate(mounted, step)
}

/** `remount` without `bind`: changes the file system that is mounted there. */
function remount(root: Root, step: MountStep): void {
  using target = openInRoot(root, step.destination, O.PATH)
  const words = step.data.filter((word) => !GIVEN_AS_FLAGS.has(word))
  mount(step.source, pathOf(target), step.type, step.flags, words.join(','))
  propagate(target, step)
}

function mountFilesystem(root: Root, step: MountStep): void {
  if (step.ordinary) {
    using target = ensureOrdinaryDirectory(root, step.destination, step.type)
    mountOn(root, target, step)
    return
  }
  const { fd, existed } = ensureInRoot(root, step.destination, 'directory')
  using target = fd
  // a tmpfs takes the mode of the directory that it covers
  const inherits = existed && step.type === 'tmpfs' && !step.data.some((o) => o.startsWith('mode='))
  const mode = inherits ? [`mode=${(fstat(target).mode & 0o7777).toString(8)}`] : []
  mountOn(root, target, { ...step, data: [...step.data, ...mode] })
}

function mountOn(root: Root, target: Fd, step: MountStep): void {
  const place = checkPlace(root, target, step)
  const tree = hasMountDescriptors() ? newTree(step) : undefined
  if (tree !== undefined) {
    using filesystem = tree
    if (step.copyUp) copyUp(target, filesystem)
    attach(filesystem, target, step)
    return
  }
  const words = step.data.filter((word) => !GIVEN_AS_FLAGS.has(word))
  const where = placeOf(root, target, step, place)
  // what is to be copied must be written first
  const flags = step.copyUp ? step.flags & ~MS.RDONLY : step.flags
  using mounted = mountFilesystemOn(step.type, step.source, words, flags, where)
  if (step.copyUp) copyUp(target, mounted)
  propagate(mounted, step)
}

/** @returns undefined when the options are too long for fsconfig(2) */
function newTree(step: MountStep): Fd | undefined {
  const attributes = step.attributes?.set ?? 0
  const { type, source } = step
  const data = step.data.map(unquoted)
  if (fitsConfig(source, data)) return newFilesystem(type, source, data, attributes)
  const layers = spreadLayers(data)
  if (type !== 'overlay' || !fitsConfig(source, layers)) return undefined
  try {
    return newFilesystem(type, source, layers, attributes)
  } catch (error) {
    if (!isErrno(error, E.INVAL)) throw error
    return undefined
  }
}

/** mount(2) takes a security context in quotes, fsconfig(2) as it is. */
function unquoted(word: string): string {
  return word.replace(/^((?:fs|def|root)?context=)"(.*)"$/, '$1$2')
}

function attach(tree: Fd, target: Fd, step: MountStep): void {
  if (step.tree !== undefined) mountSetattr(tree, step.tree, true)
  moveMount(tree, target)
  propagate(tree, step)
}

function propagate(mounted: Fd, step: MountStep): void {
  for (const propagation of step.propagation) {
    if (hasMountDescriptors()) {
      const change = { set: 0, clear: 0, propagation: propagation & ~MS.REC }
      mountSetattr(mounted, change, (propagation & MS.REC) !== 0)
    } else mount('', pathOf(mounted), '', propagation)
  }
}

/**
 * Refuses the root itself as a mount point and, since links and earlier mounts are resolved by
 * now, anything in /proc that is no procfs (threat T-03).
 *
 * @param source - of a bind mount
 * @returns where `target` is in the root
 */
function checkPlace(root: Root, target: Fd, step: MountStep, source?: Fd): string {
  const place = placeInRoot(root, target)
  if (place === '/') throw new Error(`mountpoint is on the top of rootfs ${root.hostPath}`)
  if (place === '/proc') {
    if (step.kind === 'filesystem' && step.type === 'proc') return place
    if (source !== undefined && isProcfsRoot(source)) return place
    throw new Error(`${JSON.stringify(place)} cannot be mounted because it is not of type proc`)
  }
  if (!place.startsWith('/proc/')) return place
  if (step.kind === 'bind' && BINDABLE_IN_PROC.test(place)) return place
  throw new Error(`${JSON.stringify(place)} cannot be mounted because it is inside /proc`)
}

function isProcfsRoot(source: Fd): boolean {
  return fstatfs(source).type === PROC_SUPER_MAGIC && fstat(source).ino === PROC_ROOT_INO
}
