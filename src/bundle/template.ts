import type { LinuxNamespace, Mount, Spec } from '../../spec/generated/config.ts'

/** Whose container a template is for. */
export interface TemplateFacts {
  /** The host has the unified cgroup hierarchy and no other. */
  readonly hasCgroup2Only: boolean
  /** Makes a container for an unprivileged caller with these ids. */
  readonly rootless: { readonly uid: number; readonly gid: number } | undefined
}

const CAPABILITIES = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE']

const MASKED_PATHS = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/sys/firmware',
  '/proc/scsi',
]

const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

/** The content of a new config.json; members stand in the order in which they are written. */
export function specTemplate(facts: TemplateFacts): Spec {
  return {
    ociVersion: '1.3.0',
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ['sh'],
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=xterm'],
      cwd: '/',
      capabilities: {
        bounding: [...CAPABILITIES],
        effective: [...CAPABILITIES],
        permitted: [...CAPABILITIES],
      },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: true },
    hostname: 'runc',
    mounts: mounts(facts.rootless !== undefined),
    linux: {
      ...mappings(facts.rootless),
      ...(facts.rootless === undefined && {
        resources: { devices: [{ allow: false, access: 'rwm' }] },
      }),
      namespaces: namespaces(facts),
      maskedPaths: [...MASKED_PATHS],
      readonlyPaths: [...READONLY_PATHS],
    },
  }
}

/** The text of a config.json: indented by tabs, without a newline at the end. */
export function templateText(spec: Spec): string {
  return JSON.stringify(spec, null, '\t')
}

function mappings(
  ids: TemplateFacts['rootless'],
): Pick<NonNullable<Spec['linux']>, 'uidMappings' | 'gidMappings'> {
  if (ids === undefined) return {}
  return {
    uidMappings: [{ containerID: 0, hostID: ids.uid, size: 1 }],
    gidMappings: [{ containerID: 0, hostID: ids.gid, size: 1 }],
  }
}

function namespaces({ rootless, hasCgroup2Only }: TemplateFacts): LinuxNamespace[] {
  const types = rootless
    ? ['pid', 'ipc', 'uts', 'mount']
    : ['pid', 'network', 'ipc', 'uts', 'mount']
  if (hasCgroup2Only) types.push('cgroup')
  if (rootless) types.push('user')
  return types.map((type) => ({ type }))
}

function mounts(isRootless: boolean): Mount[] {
  const mount = (destination: string, type: string, source: string, options: string): Mount => ({
    destination,
    type,
    source,
    options: options.split(' '),
  })
  return [
    { destination: '/proc', type: 'proc', source: 'proc' },
    mount('/dev', 'tmpfs', 'tmpfs', 'nosuid strictatime mode=755 size=65536k'),
    mount(
      '/dev/pts',
      'devpts',
      'devpts',
      `nosuid noexec newinstance ptmxmode=0666 mode=0620${isRootless ? '' : ' gid=5'}`,
    ),
    mount('/dev/shm', 'tmpfs', 'shm', 'nosuid noexec nodev mode=1777 size=65536k'),
    mount('/dev/mqueue', 'mqueue', 'mqueue', 'nosuid noexec nodev'),
    isRootless
      ? mount('/sys', 'none', '/sys', 'rbind nosuid noexec nodev ro')
      : mount('/sys', 'sysfs', 'sysfs', 'nosuid noexec nodev ro'),
    mount('/sys/fs/cgroup', 'cgroup', 'cgroup', 'nosuid noexec nodev relatime ro'),
  ]
}
