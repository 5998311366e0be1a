import type { LinuxResources, Spec } from '../../spec/generated/config.ts'
import { segment } from '../base/pointer.ts'
import { CAPABILITIES } from '../plan/capabilities.ts'
import { sysctlPath } from '../plan/container-plan.ts'
import { type Host, wordsOf } from './host.ts'
import { checkHostMounts } from './host-mounts.ts'
import { namespaceOf, type Report, type SpecFacts } from './problem.ts'

/** What the rules of validate.ts need to know of a host. */
export function factsOf(
  spec: Spec,
  host: Host,
  call: { euid: number; systemd: boolean },
): SpecFacts {
  const isRootless = call.euid !== 0
  const network = namespaceOf(spec, 'network')?.path
  const hasResctrl = / - resctrl /.test(host.read('/proc/self/mountinfo'))
  return {
    isRootless,
    hasRootlessCgroups: isRootless,
    usesSystemdCgroup: call.systemd,
    avoidsPivot: false,
    joinsHostNetwork: Boolean(network) && host.isSame(network ?? '', '/proc/self/ns/net'),
    hasApparmor: host.read('/sys/module/apparmor/parameters/enabled').startsWith('Y'),
    hasSelinux: host.exists('/sys/fs/selinux/enforce'),
    cgroupVersion: host.exists('/sys/fs/cgroup/cgroup.controllers') ? 2 : 1,
    intelRdt: {
      isEnabled: hasResctrl,
      hasCacheAllocation:
        host.exists('/sys/fs/resctrl/info/L3') || host.exists('/sys/fs/resctrl/info/L3CODE'),
      hasBandwidthAllocation: host.exists('/sys/fs/resctrl/info/MB'),
    },
  }
}

/** Reports what this host cannot give the container. Nothing is changed or created. */
export function checkHost(spec: Spec, bundle: string, host: Host, report: Report): void {
  const root = spec.root?.path ?? ''
  const rootfs = root.startsWith('/') ? root : `${bundle}/${root}`
  if (root !== '' && !host.isDirectory(rootfs)) {
    report('/root/path', `invalid rootfs: ${rootfs} is not a directory`)
  }
  checkHostNamespaces(spec, host, report)
  checkHostMounts(spec, { bundle, rootfs }, host, report)
  checkHostProcess(spec, host, report)
  checkHostSeccomp(spec, host, report)
  checkHostSysctls(spec, host, report)
  checkHostHooks(spec, host, report)
  checkHostResources(spec.linux?.resources ?? {}, host, report)
  for (const name in spec.linux?.netDevices) {
    if (host.exists(`/sys/class/net/${name}`)) continue
    report(`/linux/netDevices/${segment(name)}`, `there is no network device ${name}`)
  }
}

const NAMESPACE_FILES: Readonly<Record<string, string>> = { mount: 'mnt', network: 'net' }

function checkHostNamespaces(spec: Spec, host: Host, report: Report): void {
  spec.linux?.namespaces?.forEach(({ type, path }, index) => {
    const at = `/linux/namespaces/${index}`
    if (!host.exists(`/proc/self/ns/${NAMESPACE_FILES[type] ?? type}`)) {
      report(`${at}/type`, `this kernel has no ${type} namespaces`)
    }
    if (path && !host.exists(path)) report(`${at}/path`, `there is no namespace file ${path}`)
  })
}

function checkHostProcess(spec: Spec, host: Host, report: Report): void {
  const { capabilities = {} } = spec.process ?? {}
  const last = Number(host.read('/proc/sys/kernel/cap_last_cap').trim())
  for (const name of ['bounding', 'effective', 'inheritable', 'permitted', 'ambient'] as const) {
    capabilities[name]?.forEach((capability, index) => {
      const number = CAPABILITIES.indexOf(capability.replace(/^CAP_/, ''))
      if (number >= 0 && number <= last) return
      report(
        `/process/capabilities/${name}/${index}`,
        `capability ${capability} is unknown or unavailable and will be ignored`,
        'warning',
      )
    })
  }
}

/** Names of actions_avail where they are not those of the profile in lower case. */
const KERNEL_ACTIONS: Readonly<Record<string, string>> = {
  kill: 'kill_thread',
  notify: 'user_notif',
}

function checkHostSeccomp(spec: Spec, host: Host, report: Report): void {
  const seccomp = spec.linux?.seccomp
  if (!seccomp?.defaultAction) return
  const available = wordsOf(host, '/proc/sys/kernel/seccomp/actions_avail')
  if (available.length === 0) {
    report('/linux/seccomp', 'this kernel has no seccomp filters')
    return
  }
  const check = (action: string, at: string) => {
    const name = action.replace('SCMP_ACT_', '').toLowerCase()
    if (available.includes(KERNEL_ACTIONS[name] ?? name)) return
    report(at, `this kernel does not know the seccomp action ${action}`)
  }
  check(seccomp.defaultAction, '/linux/seccomp/defaultAction')
  seccomp.syscalls?.forEach(({ action }, index) => {
    check(action, `/linux/seccomp/syscalls/${index}/action`)
  })
}

function checkHostSysctls(spec: Spec, host: Host, report: Report): void {
  for (const key in spec.linux?.sysctl) {
    const path = sysctlPath(key)
    if (path.split('/').includes('..') || host.exists(`/proc/sys/${path}`)) continue
    report(
      `/linux/sysctl/${segment(key)}`,
      `this kernel has no /proc/sys/${path}, at least outside the container`,
      'warning',
    )
  }
}

/** Hooks that are looked up outside the container. */
function checkHostHooks(spec: Spec, host: Host, report: Report): void {
  const outside = ['prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop'] as const
  for (const name of outside) {
    spec.hooks?.[name]?.forEach(({ path }, index) => {
      if (path.startsWith('/') && !host.exists(path)) {
        report(`/hooks/${name}/${index}/path`, `there is no hook program ${path}`)
      }
    })
  }
}

/** Controller by property of linux.resources; in version 1 some have another name. */
const CONTROLLERS = [
  ['memory', 'memory', 'memory'],
  ['cpu', 'cpu', 'cpu'],
  ['pids', 'pids', 'pids'],
  ['blockIO', 'io', 'blkio'],
  ['hugepageLimits', 'hugetlb', 'hugetlb'],
  ['rdma', 'rdma', 'rdma'],
  ['network', undefined, 'net_cls'],
] as const

function checkHostResources(resources: LinuxResources, host: Host, report: Report): void {
  const unified = host.read('/sys/fs/cgroup/cgroup.controllers')
  const isUnified = unified !== ''
  const available = isUnified
    ? unified.trim().split(' ')
    : host
        .read('/proc/cgroups')
        .split('\n')
        .map((line) => line.split('\t')[0])
  for (const [property, v2, v1] of CONTROLLERS) {
    const value = resources[property]
    if (value === undefined || Object.keys(value).length === 0) continue
    const controller = isUnified ? v2 : v1
    const at = `/linux/resources/${property}`
    if (controller === undefined) report(at, `cgroup v2 has nothing for ${property}`)
    else if (!available.includes(controller)) {
      report(at, `this host has no cgroup controller ${controller}`)
    }
  }
  for (const name in resources.unified) {
    const controller = name.split('.')[0] ?? ''
    if (!isUnified || controller === 'cgroup' || available.includes(controller)) continue
    report(
      `/linux/resources/unified/${segment(name)}`,
      `this host has no cgroup controller ${controller}`,
    )
  }
}
