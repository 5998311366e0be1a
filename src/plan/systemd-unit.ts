/** Where the systemd driver puts a container: its unit, and the cgroup that systemd makes for it. */
import { SpecError } from '../base/errors.ts'

/** A container's unit. */
export interface SystemdUnit {
  /** `runc-ID.scope`; a slice where cgroupsPath names one, which takes no process on its own. */
  readonly unit: string
  readonly isSlice: boolean
  /** The parent as in cgroupsPath, or the default: `system.slice`, `-.slice`. */
  readonly slice: string
  /** The last part of cgroupsPath, or the container's id; for the description. */
  readonly name: string
  /** Absolute path from the root of each hierarchy: `/system.slice/runc-ID.scope`. */
  readonly cgroup: string
}

const POINTER = '/linux/cgroupsPath'

/** How a default unit's name begins: what looks for a container's unit expects it. */
const PREFIX = 'runc'

/**
 * The unit for `cgroupsPath`, which is empty, absent, or `slice:prefix:name`.
 *
 * @param userManager - the ControlGroup of the user's systemd if that is in charge (rootless)
 * @throws {SpecError}
 */
export function planSystemdUnit(
  cgroupsPath: string | undefined,
  id: string,
  userManager?: string,
): SystemdUnit {
  const [parent, prefix, name] = partsOf(cgroupsPath, id)
  const slice = parent || (userManager === undefined ? 'system.slice' : 'user.slice')
  // the root is `/` or empty
  const above = (userManager ?? '').replace(/\/$/, '')
  const inSlice = expandSlice(slice)
  if (name.endsWith('.slice')) {
    return { unit: name, isSlice: true, slice, name, cgroup: `${above}${expandSlice(name)}` }
  }
  const unit = `${prefix}-${name}.scope`
  if (!isUnitName(unit)) throw new SpecError(`invalid unit name: ${unit}`, POINTER)
  return { unit, isSlice: false, slice, name, cgroup: `${above}${inSlice}/${directoryOf(unit)}` }
}

function partsOf(cgroupsPath: string | undefined, id: string): [string, string, string] {
  if (cgroupsPath === undefined || cgroupsPath === '') return ['', PREFIX, id]
  const [slice = '', prefix = '', name, ...more] = cgroupsPath.split(':')
  if (name === undefined || more.length > 0) {
    throw new SpecError(
      `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got ${JSON.stringify(cgroupsPath)} instead`,
      POINTER,
    )
  }
  return [slice, prefix, name]
}

const SUFFIX = '.slice'

/**
 * The cgroup of a slice: `a-b.slice` is `/a.slice/a-b.slice`, `-.slice` the root, an empty string.
 *
 * @throws {SpecError}
 * @see systemd.slice(5)
 */
function expandSlice(slice: string): string {
  const refuse = (): SpecError => new SpecError(`invalid slice name: ${slice}`, POINTER)
  if (!slice.endsWith(SUFFIX) || !isUnitName(slice)) throw refuse()
  const stem = slice.slice(0, -SUFFIX.length)
  if (stem === '-') return ''
  const components = stem.split('-')
  if (components.includes('')) throw refuse()
  return components
    .map((_, index) => `/${directoryOf(`${components.slice(0, index + 1).join('-')}${SUFFIX}`)}`)
    .join('')
}

/** @see systemd.unit(5): the characters, and at most 255 of them */
function isUnitName(unit: string): boolean {
  return /^[\w:.\\@-]{1,255}$/.test(unit)
}

/** Controllers of the kernel and those that systemd makes up. */
const CONTROLLERS =
  /^(cpu|cpuacct|cpuset|io|blkio|memory|devices|pids|bpf-firewall|bpf-devices|bpf-foreign|bpf-socket-bind|bpf-restrict-network-interfaces)\./

/**
 * The directory of a unit: its name, after an underscore where that could be taken for a file of the
 * kernel's, `cpu.slice`.
 *
 * @see systemd's CGROUP_DELEGATION document
 */
function directoryOf(unit: string): string {
  return /^[_.]|^cgroup\./.test(unit) || CONTROLLERS.test(unit) ? `_${unit}` : unit
}
