import type { LinuxResources, Spec } from '../../../spec/generated/config.ts'
import type { Pointer } from '../../base/errors.ts'
import { segment } from '../../base/pointer.ts'
import { ignoredResources } from '../../plan/resources/resources.ts'
import { unifiedNameProblem } from '../../plan/resources/unified.ts'
import type { Report, SpecFacts } from '../problem.ts'

const LARGEST_SWAPPINESS = 100

/** Where the container's cgroup is to be. */
export function checkCgroupsPath(spec: Spec, report: Report, facts: SpecFacts): void {
  const path = spec.linux?.cgroupsPath ?? ''
  const at = '/linux/cgroupsPath'
  if (path.includes('\0')) report(at, 'cgroupsPath contains nul byte (\\x00)')
  if (facts.usesSystemdCgroup && path !== '' && path.split(':').length !== 3) {
    report(
      at,
      `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got ${JSON.stringify(path)} instead`,
    )
  }
}

/** The limits of config.json. */
export function checkSpecResources(spec: Spec, report: Report, facts: SpecFacts): void {
  const resources = spec.linux?.resources
  if (resources !== undefined) checkResources(resources, '/linux/resources', report, facts)
}

/**
 * Checks resource limits: of config.json, or the input of update.
 *
 * @param at - pointer of the resources within their file
 */
export function checkResources(
  resources: LinuxResources,
  at: Pointer,
  report: Report,
  facts: Pick<SpecFacts, 'cgroupVersion'>,
): void {
  checkDeviceRules(resources, `${at}/devices`, report)
  checkUnified(resources, `${at}/unified`, report, facts)
  checkMemory(resources, `${at}/memory`, report, facts)
  const mode = facts.cgroupVersion === 2 ? 'v2' : 'v1'
  for (const { pointer, message } of ignoredResources(resources, mode, at)) {
    report(pointer, message, 'warning')
  }
  const idle = resources.cpu?.idle
  if (idle !== undefined && Number(idle) !== 0 && Number(idle) !== 1) {
    report(`${at}/cpu/idle`, `found number ${idle}, allowed: 0 or 1`)
  }
  checkBlockIo(resources, `${at}/blockIO`, report)
  for (const name in resources.rdma) {
    const { hcaHandles, hcaObjects } = resources.rdma[name] ?? {}
    if (hcaHandles !== undefined || hcaObjects !== undefined) continue
    report(`${at}/rdma/${segment(name)}`, 'found neither hcaHandles nor hcaObjects')
  }
}

function checkDeviceRules(resources: LinuxResources, at: Pointer, report: Report): void {
  resources.devices?.forEach(({ type = '', access = '' }, index) => {
    const place = `${at}/${index}`
    if (type !== '' && type !== 'a' && type !== 'b' && type !== 'c') {
      report(`${place}/type`, `invalid cgroup device type ${JSON.stringify(type)}`)
    }
    if (access === '') report(place, `device access at ${index} field cannot be empty`)
    if (access !== '' && access !== 'rwm' && /[^rwm]/.test(access)) {
      report(`${place}/access`, `invalid device access ${JSON.stringify(access)}, allowed: r, w, m`)
    }
  })
}

function checkUnified(
  { unified }: LinuxResources,
  at: Pointer,
  report: Report,
  facts: Pick<SpecFacts, 'cgroupVersion'>,
): void {
  const names = Object.keys(unified ?? {})
  if (names.length > 0 && facts.cgroupVersion === 1) {
    report(at, 'invalid configuration: cannot use unified on cgroup v1')
  }
  for (const name of names) {
    const problem = unifiedNameProblem(name)
    if (problem !== undefined) report(`${at}/${segment(name)}`, problem)
  }
}

function checkMemory(
  { memory = {} }: LinuxResources,
  at: Pointer,
  report: Report,
  facts: Pick<SpecFacts, 'cgroupVersion'>,
): void {
  const { limit = 0, swap = 0, swappiness = 0 } = memory
  if (swappiness > LARGEST_SWAPPINESS) {
    report(`${at}/swappiness`, `found number ${swappiness}, allowed: 0 to ${LARGEST_SWAPPINESS}`)
  }
  if (swap > 0 && limit > 0 && swap < limit) {
    report(`${at}/swap`, 'memory+swap limit should be >= memory limit')
  }
  if (swap > 0 && Number(limit) === 0 && facts.cgroupVersion === 2) {
    report(`${at}/swap`, 'unable to set swap limit without memory limit')
  }
  if (memory.kernel !== undefined || memory.kernelTCP !== undefined) {
    report(at, 'Kernel memory settings are ignored and will be removed', 'warning')
  }
}

function checkBlockIo({ blockIO = {} }: LinuxResources, at: Pointer, report: Report): void {
  blockIO.weightDevice?.forEach(({ weight, leafWeight }, index) => {
    if (weight !== undefined || leafWeight !== undefined) return
    report(`${at}/weightDevice/${index}`, 'found neither weight nor leafWeight')
  })
  for (const name of [
    'throttleReadBpsDevice',
    'throttleWriteBpsDevice',
    'throttleReadIOPSDevice',
    'throttleWriteIOPSDevice',
  ] as const) {
    blockIO[name]?.forEach(({ rate }, index) => {
      if (rate === undefined) report(`${at}/${name}/${index}`, 'found no "rate", which is required')
    })
  }
}
