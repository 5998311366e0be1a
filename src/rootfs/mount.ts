/** Carries out one planned mount inside the container's root. */

import type { CgroupView, MountStep } from '../plan/steps.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { fstat, fstatfs, S_IF } from '../sys/file.ts'
import { cloneTree, MS, mountSetattr, moveMount, newFilesystem } from '../sys/mount.ts'
import { mountCgroups } from './cgroup-mount.ts'
import { copyUp } from './copy-up.ts'
import { attachLegacy } from './legacy-mount.ts'
import { setAttributes } from './locked-flags.ts'
import { ensureInRoot, ensureOrdinaryDirectory, placeInRoot, type Root } from './resolve.ts'

const PROC_SUPER_MAGIC = 0x9fa0
const PROC_ROOT_INO = 1
/** What may be bound below /proc: files that describe the machine, no knobs. */
const BINDABLE_IN_PROC =
  /^\/proc\/(cpuinfo|diskstats|meminfo|stat|swaps|uptime|loadavg|slabinfo|sys\/kernel\/ns_last_pid|sys\/crypto\/fips_enabled)$/

/** Mounts a file system or binds a file or directory. @throws {Error} with runc's words */
export function mountStep(root: Root, step: MountStep): void {
  try {
    if (step.kind === 'bind') bind(root, step)
    else if (step.cgroups !== undefined) cgroupMount(root, step, step.cgroups)
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
  using tree = cloneOrUndefined(step)
  if (tree === undefined) {
    attachLegacy(root, step, checkPlace)
    return
  }
  const isDirectory = (fstat(tree).mode & S_IF.MT) === S_IF.DIR
  using target = ensureInRoot(root, step.destination, isDirectory ? 'directory' : 'file').fd
  checkPlace(root, target, step, tree)
  if (step.attributes !== undefined) setAttributes(tree, step.attributes, step.refused)
  attach(tree, target, step)
}

function cloneOrUndefined(step: MountStep): Fd | undefined {
  try {
    return cloneTree(undefined, step.source, step.recursive)
  } catch (error) {
    if (isErrno(error, E.NOSYS)) return undefined
    throw error
  }
}

function cgroupMount(root: Root, step: MountStep, view: CgroupView): void {
  using target = ensureInRoot(root, step.destination, 'directory').fd
  checkPlace(root, target, step)
  mountCgroups(target, step, view)
}

function mountFilesystem(root: Root, step: MountStep): void {
  if (step.ordinary) {
    using target = ensureOrdinaryDirectory(root, step.destination, step.type)
    mountOn(root, target, step, step.data)
    return
  }
  const { fd, existed } = ensureInRoot(root, step.destination, 'directory')
  using target = fd
  // a tmpfs takes the mode of the directory that it covers
  const inherits = existed && step.type === 'tmpfs' && !step.data.some((o) => o.startsWith('mode='))
  const data = inherits
    ? [...step.data, `mode=${(fstat(target).mode & 0o7777).toString(8)}`]
    : step.data
  mountOn(root, target, step, data)
}

function mountOn(root: Root, target: Fd, step: MountStep, data: readonly string[]): void {
  checkPlace(root, target, step)
  let tree: Fd
  try {
    tree = newFilesystem(step.type, step.source, data, step.attributes?.set ?? 0)
  } catch (error) {
    if (!isErrno(error, E.NOSYS)) throw error
    attachLegacy(root, { ...step, data }, checkPlace)
    return
  }
  using filesystem = tree
  if (step.copyUp) copyUp(root, step.destination, filesystem)
  attach(filesystem, target, step)
}

function attach(tree: Fd, target: Fd, step: MountStep): void {
  moveMount(tree, target)
  if (step.tree !== undefined) mountSetattr(tree, step.tree, true)
  for (const propagation of step.propagation) {
    const change = { set: 0, clear: 0, propagation: propagation & ~MS.REC }
    mountSetattr(tree, change, (propagation & MS.REC) !== 0)
  }
}

/**
 * Refuses the root itself as a mount point and, since links and earlier mounts are resolved by
 * now, anything in /proc that is no procfs (threat T-03).
 */
function checkPlace(root: Root, target: Fd, step: MountStep, tree?: Fd): void {
  const place = placeInRoot(root, target)
  if (place === '/') throw new Error(`mountpoint is on the top of rootfs ${root.hostPath}`)
  if (place === '/proc') {
    if (step.kind === 'filesystem' && step.type === 'proc') return
    if (tree !== undefined && isProcfsRoot(tree)) return
    throw new Error(`${JSON.stringify(place)} cannot be mounted because it is not of type proc`)
  }
  if (!place.startsWith('/proc/')) return
  if (step.kind === 'bind' && BINDABLE_IN_PROC.test(place)) return
  throw new Error(`${JSON.stringify(place)} cannot be mounted because it is inside /proc`)
}

function isProcfsRoot(tree: Fd): boolean {
  return fstatfs(tree).type === PROC_SUPER_MAGIC && fstat(tree).ino === PROC_ROOT_INO
}
