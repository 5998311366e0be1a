import type { LinuxDevice, Spec } from '../../spec/generated/config.ts'
import { cleanPath } from '../base/paths.ts'
import { S_IF } from '../sys/file.ts'
import { parseMountOptions } from './mount-options.ts'
import { destinationOf } from './mounts.ts'
import type { DeviceStep, Step } from './steps.ts'

/** Path, major, minor. @see runtime-spec config-linux.md "Default Devices" */
const DEFAULTS: readonly (readonly [string, number, number])[] = [
  ['/dev/null', 1, 3],
  ['/dev/random', 1, 8],
  ['/dev/full', 1, 7],
  ['/dev/tty', 5, 0],
  ['/dev/zero', 1, 5],
  ['/dev/urandom', 1, 9],
]

const TYPES: Readonly<Record<string, number>> = {
  c: S_IF.CHR,
  u: S_IF.CHR,
  b: S_IF.BLK,
  p: S_IF.FIFO,
}

/**
 * Device nodes and links: the configured ones, the default ones that no configured one replaces,
 * and the links; none of it when /dev is bound from elsewhere.
 */
export function planDevices(spec: Spec): Step[] {
  const bound = spec.mounts?.some(
    (mount) => destinationOf(mount) === '/dev' && parseMountOptions(mount.options).bind,
  )
  if (bound === true) return []
  const configured = (spec.linux?.devices ?? [])
    .map((device, i) => deviceStep(device, `/linux/devices/${i}`))
    // devpts provides it; a node would shadow the link to pts/ptmx
    .filter((step) => step.path !== '/dev/ptmx')
  const taken = new Set(configured.map((step) => step.path))
  const defaults = DEFAULTS.filter(([path]) => !taken.has(path)).map(
    ([path, major, minor]): DeviceStep => ({
      op: 'device',
      path,
      mode: S_IF.CHR | 0o666,
      major,
      minor,
      uid: 0,
      gid: 0,
    }),
  )
  return [...defaults, ...configured, { op: 'deviceLinks' }]
}

function deviceStep(device: LinuxDevice, pointer: string): DeviceStep {
  return {
    op: 'device',
    pointer,
    path: cleanPath(device.path),
    mode: (TYPES[device.type] ?? 0) | ((device.fileMode ?? 0o666) & 0o7777),
    major: Number(device.major ?? 0),
    minor: Number(device.minor ?? 0),
    uid: device.uid ?? 0,
    gid: device.gid ?? 0,
  }
}
