import type { Mount, Spec } from '../../spec/generated/config.ts'
import { type MountOptions, parseMountOptions } from '../plan/mount-options.ts'
import type { Host } from './host.ts'
import type { Report } from './problem.ts'

/** Where a bundle lies. */
interface Places {
  readonly bundle: string
  readonly rootfs: string
}

/** mount_setattr(2), for attributes of a whole tree and for id-mapped mounts. */
const SET_ATTRIBUTES = [5, 12] as const

/** Reports mounts that this host cannot make: file systems, sources, options of newer kernels. */
export function checkHostMounts(spec: Spec, places: Places, host: Host, report: Report): void {
  const known = host
    .read('/proc/filesystems')
    .split('\n')
    .map((line) => line.split('\t')[1])
  const version = versionOf(host)
  spec.mounts?.forEach((mount, index) => {
    const at = `/mounts/${index}`
    const options = parseMountOptions(mount.options)
    if (options.bind) checkSource(mount, at, places, host, report)
    else if (!options.remount) checkType(mount.type ?? '', at, known, report)
    const newer = optionOfNewerKernel(mount, options, version)
    if (newer !== undefined) {
      report(at, `${newer} need Linux ${SET_ATTRIBUTES.join('.')}, this is ${version.join('.')}`)
    }
  })
}

function checkType(
  type: string,
  at: string,
  known: readonly (string | undefined)[],
  report: Report,
): void {
  // `none` goes with changes of propagation; a mount of type cgroup may become one of cgroup2
  const isKnown =
    known.includes(type) || (type === 'cgroup' && known.includes('cgroup2')) || type === 'none'
  if (isKnown) return
  const shown = JSON.stringify(type)
  report(
    `${at}/type`,
    `this kernel has no file system ${shown}, unless a module for it is loaded`,
    'warning',
  )
}

function checkSource(mount: Mount, at: string, places: Places, host: Host, report: Report): void {
  const { source = '' } = mount
  const path = source.startsWith('/') ? source : `${places.bundle}/${source}`
  // an earlier mount may make what lies below the root file system
  if (host.exists(path) || path.startsWith(`${places.rootfs}/`)) return
  report(`${at}/source`, `there is no ${path} to bind`)
}

function optionOfNewerKernel(
  mount: Mount,
  options: MountOptions,
  [major = 0, minor = 0]: readonly number[],
): string | undefined {
  const [needMajor, needMinor] = SET_ATTRIBUTES
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return undefined
  if (options.recursiveSet !== 0 || options.recursiveClear !== 0) return 'recursive mount options'
  if (options.idmap !== undefined || mount.uidMappings?.length) return 'id-mapped mounts'
  return undefined
}

function versionOf(host: Host): number[] {
  const release = host.read('/proc/sys/kernel/osrelease')
  return release.split('.', 2).map((part) => Number.parseInt(part, 10))
}
