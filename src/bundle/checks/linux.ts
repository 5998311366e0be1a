import type { Spec } from '../../../spec/generated/config.ts'
import { messageOf } from '../../base/errors.ts'
import { parseIdList } from '../../base/id-list.ts'
import { segment } from '../../base/pointer.ts'
import { namespaceOf, type Report, refuseNul, type SpecFacts } from '../problem.ts'

const PROPAGATIONS = ['', 'private', 'shared', 'slave', 'unbindable']
const NODE_MODES = 'BIND INTERLEAVE PREFERRED_MANY WEIGHTED_INTERLEAVE'
const MODES = `DEFAULT LOCAL PREFERRED ${NODE_MODES}`
const MODE_FLAGS = 'NUMA_BALANCING RELATIVE_NODES STATIC_NODES'
/** The largest that a kernel can be configured for. */
const MAX_NODES = 1024
/** IFNAMSIZ without the final NUL. */
const LONGEST_INTERFACE = 15

/** How mounts of the container and of the host see each other. */
export function checkPropagation(spec: Spec, report: Report, facts: SpecFacts): void {
  const value = spec.linux?.rootfsPropagation ?? ''
  const at = '/linux/rootfsPropagation'
  if (
    !PROPAGATIONS.includes(value) &&
    !(value[0] === 'r' && PROPAGATIONS.includes(value.slice(1)))
  ) {
    report(at, `rootfsPropagation=${value} is not supported`)
  }
  if (facts.avoidsPivot && (value === 'private' || value === 'rprivate')) {
    report(at, 'rootfsPropagation of [r]private is not safe without pivot_root')
  }
}

/** Masked and read-only paths: absolute, and hidden in a mount namespace of the container's own. */
export function checkPaths(spec: Spec, report: Report): void {
  for (const name of ['maskedPaths', 'readonlyPaths'] as const) {
    const paths = spec.linux?.[name] ?? []
    const at = `/linux/${name}`
    if (paths.length > 0 && namespaceOf(spec, 'mount') === undefined) {
      report(at, 'unable to restrict sys entries without a private MNT namespace')
    }
    refuseNul(at, paths, report)
    paths.forEach((path, index) => {
      if (!path.startsWith('/')) {
        report(`${at}/${index}`, `path ${JSON.stringify(path)} is not absolute`)
      }
    })
  }
}

/** Device nodes to make. */
export function checkDevices(spec: Spec, report: Report): void {
  spec.linux?.devices?.forEach((device, index) => {
    const at = `/linux/devices/${index}`
    const { type, path } = device
    if (!['b', 'c', 'p', 'u'].includes(type)) {
      report(`${at}/type`, `invalid device type ${JSON.stringify(type)}`)
    }
    if (!path.startsWith('/') || path.includes('\0')) {
      report(
        `${at}/path`,
        `device path ${JSON.stringify(path)} is not absolute and without nul bytes`,
      )
    }
    if (type === 'p') return
    for (const name of ['major', 'minor'] as const) {
      if (device[name] === undefined) report(at, `found no "${name}", which type ${type} requires`)
    }
  })
}

/** Network devices to move in: names as dev_valid_name() of the kernel takes them. */
export function checkNetDevices(spec: Spec, report: Report, facts: SpecFacts): void {
  const devices = Object.entries(spec.linux?.netDevices ?? {})
  if (devices.length === 0) return
  const at = '/linux/netDevices'
  if (namespaceOf(spec, 'network') === undefined) {
    report(at, 'unable to move network devices without a NET namespace')
  }
  if (facts.isRootless || facts.hasRootlessCgroups) {
    report(at, 'network devices are not supported for rootless containers')
  }
  for (const [outside, { name: inside = '' }] of devices) {
    const names = inside === '' ? [outside] : [outside, inside]
    for (const name of names) {
      if (isInterfaceName(name)) continue
      report(`${at}/${segment(outside)}`, `invalid network device name ${JSON.stringify(name)}`)
    }
  }
}

function isInterfaceName(name: string): boolean {
  const isSpecial = name === '' || name === '.' || name === '..'
  return !isSpecial && name.length <= LONGEST_INTERFACE && !/[/:\s\0]/.test(name)
}

/** Execution domain; personality(2). */
export function checkPersonality(spec: Spec, report: Report): void {
  const personality = spec.linux?.personality
  if (personality === undefined) return
  const { domain = '', flags = [] } = personality
  if (domain !== 'LINUX' && domain !== 'LINUX32') {
    report('/linux/personality/domain', `invalid personality domain ${domain}`)
  }
  if (flags.length > 0) {
    report('/linux/personality/flags', `invalid personality flag ${JSON.stringify(flags[0])}`)
  }
}

/** NUMA policy; set_mempolicy(2). */
export function checkMemoryPolicy(spec: Spec, report: Report): void {
  const policy = spec.linux?.memoryPolicy
  if (policy === undefined) return
  const at = '/linux/memoryPolicy'
  const { mode = '', nodes = '', flags = [] } = policy
  const name = mode.startsWith('MPOL_') ? mode.slice('MPOL_'.length) : ''
  if (!MODES.split(' ').includes(name)) {
    report(`${at}/mode`, `invalid memory policy mode ${JSON.stringify(mode)}`)
  }
  flags.forEach((flag, index) => {
    if (flag.startsWith('MPOL_F_') && MODE_FLAGS.split(' ').includes(flag.slice(7))) return
    report(`${at}/flags/${index}`, `invalid memory policy flag ${JSON.stringify(flag)}`)
  })
  if (flags.includes('MPOL_F_RELATIVE_NODES') && flags.includes('MPOL_F_STATIC_NODES')) {
    report(`${at}/flags`, 'memory policy flags RELATIVE_NODES and STATIC_NODES exclude each other')
  }
  let count: number
  try {
    count = parseIdList(nodes, MAX_NODES).length
  } catch (cause) {
    const shown = JSON.stringify(nodes)
    report(`${at}/nodes`, `invalid memory policy nodes ${shown}: ${messageOf(cause)}`)
    return
  }
  if ((name === 'DEFAULT' || name === 'LOCAL') && count > 0) {
    report(`${at}/nodes`, `memory policy mode requires 0 nodes but got ${count}`)
  }
  if (NODE_MODES.split(' ').includes(name) && count === 0) {
    report(`${at}/nodes`, 'memory policy mode requires at least one node but got 0')
  }
}

/** Cache and memory bandwidth; the schemata's meaning is the kernel's to judge. */
export function checkIntelRdt(spec: Spec, report: Report, facts: SpecFacts): void {
  const rdt = spec.linux?.intelRdt
  if (rdt === undefined) return
  const at = '/linux/intelRdt'
  const { closID = '', l3CacheSchema = '', memBwSchema = '', schemata = [] } = rdt
  if (facts.intelRdt?.isEnabled === false) {
    report(at, 'intelRdt is specified in config, but Intel RDT is not enabled')
  }
  if (closID !== '/' && (closID === '.' || closID === '..' || /[/\0\n]/.test(closID))) {
    report(`${at}/closID`, `invalid intelRdt.ClosID ${JSON.stringify(closID)}`)
  }
  if (l3CacheSchema !== '' && facts.intelRdt?.hasCacheAllocation === false) {
    report(
      `${at}/l3CacheSchema`,
      'intelRdt.l3CacheSchema is specified in config, but Intel RDT/CAT is not enabled',
    )
  }
  if (memBwSchema !== '' && facts.intelRdt?.hasBandwidthAllocation === false) {
    report(
      `${at}/memBwSchema`,
      'intelRdt.memBwSchema is specified in config, but Intel RDT/MBA is not enabled',
    )
  }
  if (l3CacheSchema.includes('\n')) {
    report(`${at}/l3CacheSchema`, 'intelRdt.l3CacheSchema contains a newline')
  } else if (l3CacheSchema !== '' && !l3CacheSchema.startsWith('L3')) {
    report(`${at}/l3CacheSchema`, 'intelRdt.l3CacheSchema does not start with L3:', 'warning')
  }
  schemata.forEach((line, index) => {
    if (line.includes('\n')) report(`${at}/schemata/${index}`, 'schemata entry contains a newline')
  })
}
