import type { IdMapping, Spec } from '../../../spec/generated/config.ts'
import type { Pointer } from '../../base/errors.ts'
import { segment } from '../../base/pointer.ts'
import { namespaceOf, type Report, type SpecFacts } from '../problem.ts'

const TYPES = ['pid', 'network', 'mount', 'ipc', 'uts', 'user', 'cgroup', 'time']
/** Lines that the kernel takes in a uid_map; user_namespaces(7). */
const MAX_MAPPINGS = 340
const NANOSECONDS = 1_000_000_000

/** Known types, each once, with absolute paths. */
export function checkNamespaces(spec: Spec, report: Report): void {
  const seen = new Set<string>()
  spec.linux?.namespaces?.forEach(({ type, path }, index) => {
    const at = `/linux/namespaces/${index}`
    const name = JSON.stringify(type)
    if (!TYPES.includes(type)) report(`${at}/type`, `namespace ${name} does not exist`)
    if (seen.has(type)) report(at, `malformed spec file: duplicated ns ${name}`)
    seen.add(type)
    if (path && (!path.startsWith('/') || path.includes('\0'))) {
      report(`${at}/path`, `path of namespace ${name} must be absolute and without nul bytes`)
    }
  })
}

/** Host name and domain name need a UTS namespace, or the host's would change. */
export function checkHostName(spec: Spec, report: Report): void {
  for (const name of ['hostname', 'domainname'] as const) {
    const value = spec[name]
    if (!value) continue
    if (namespaceOf(spec, 'uts') === undefined) {
      report(`/${name}`, `unable to set ${name} without a private UTS namespace`)
    }
    if (value.includes('\0')) report(`/${name}`, `${name} contains nul byte (\\x00)`)
  }
}

/** The user namespace and its id mappings. */
export function checkUserNamespace(spec: Spec, report: Report): void {
  const { uidMappings = [], gidMappings = [] } = spec.linux ?? {}
  const user = namespaceOf(spec, 'user')
  const hasMappings = uidMappings.length > 0 || gidMappings.length > 0
  if (user !== undefined && !user.path && !hasMappings) {
    report(
      '/linux/namespaces',
      'user namespaces enabled, but no namespace path to join nor mappings to apply specified',
    )
  }
  if (user === undefined && hasMappings) {
    report(
      uidMappings.length > 0 ? '/linux/uidMappings' : '/linux/gidMappings',
      "user namespace mappings specified, but user namespace isn't enabled in the config",
    )
  }
  checkMappings(uidMappings, '/linux/uidMappings', report)
  checkMappings(gidMappings, '/linux/gidMappings', report)
}

function checkMappings(mappings: readonly IdMapping[], at: Pointer, report: Report): void {
  if (mappings.length > MAX_MAPPINGS) {
    report(at, `found ${mappings.length} id mappings, allowed: at most ${MAX_MAPPINGS}`)
  }
  mappings.forEach(({ containerID, hostID, size }, index) => {
    if (size === 0) report(`${at}/${index}/size`, 'id mapping of size 0')
    if (Math.max(containerID, hostID) + size > 0xffffffff) {
      report(`${at}/${index}`, 'id mapping goes beyond id 4294967294')
    }
  })
}

/** What an unprivileged caller must bring along. */
export function checkRootless(spec: Spec, report: Report, facts: SpecFacts): void {
  if (!facts.isRootless) return
  const user = namespaceOf(spec, 'user')
  if (user === undefined) {
    report('/linux/namespaces', 'rootless container requires user namespaces')
    return
  }
  if (user.path) return
  for (const [name, label] of [
    ['uidMappings', 'UID'],
    ['gidMappings', 'GID'],
  ] as const) {
    if (!spec.linux?.[name]?.length) {
      report(`/linux/${name}`, `rootless containers requires at least one ${label} mapping`)
    }
  }
}

/** Clock offsets can only be set in a new time namespace; time_namespaces(7). */
export function checkTimeOffsets(spec: Spec, report: Report): void {
  const offsets = spec.linux?.timeOffsets ?? {}
  const clocks = Object.keys(offsets)
  if (clocks.length === 0) return
  const at = '/linux/timeOffsets'
  const time = namespaceOf(spec, 'time')
  if (time === undefined) {
    report(at, "time namespace offsets specified, but time namespace isn't enabled in the config")
  } else if (time.path) {
    report(
      at,
      'time namespace enabled, but both namespace path and time offsets specified -- you may only provide one',
    )
  }
  for (const clock of clocks) {
    const place = `${at}/${segment(clock)}`
    if (clock !== 'monotonic' && clock !== 'boottime') {
      report(place, `clock ${JSON.stringify(clock)} has no offset, allowed: monotonic, boottime`)
    }
    const nanosecs = offsets[clock]?.nanosecs ?? 0
    if (nanosecs >= NANOSECONDS) {
      report(`${place}/nanosecs`, `found number ${nanosecs}, allowed: less than ${NANOSECONDS}`)
    }
  }
}
