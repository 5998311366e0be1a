import t from 'tap'
import type { Spec } from '../../spec/generated/config.ts'
import type { Host } from './host.ts'
import { checkHost, factsOf } from './host-checks.ts'

const FILES: Readonly<Record<string, string>> = {
  '/b/rootfs/': '',
  '/proc/self/ns/pid': '',
  '/proc/self/ns/mnt': '',
  '/proc/self/ns/net': 'net:1',
  '/run/netns/host': 'net:1',
  '/proc/filesystems': 'nodev\tproc\nnodev\ttmpfs\nnodev\tcgroup2\n',
  '/proc/sys/kernel/osrelease': '5.10.0-generic\n',
  '/proc/sys/kernel/cap_last_cap': '38\n',
  '/proc/sys/kernel/seccomp/actions_avail': 'kill_process kill_thread errno allow\n',
  '/proc/sys/net/ipv4/ip_forward': '1',
  '/sys/fs/cgroup/cgroup.controllers': 'cpu memory\n',
}

const host: Host = {
  exists: (path) => path in FILES || `${path}/` in FILES,
  isDirectory: (path) => `${path}/` in FILES,
  read: (path) => FILES[path] ?? '',
  list: () => [],
  isSame: (path, other) => FILES[path] !== undefined && FILES[path] === FILES[other],
}

function reportsOf(spec: Spec): string[] {
  const reports: string[] = []
  checkHost(spec, '/b', host, (pointer, message, severity = 'error') => {
    reports.push(`${severity} ${pointer} ${message}`)
  })
  return reports
}

t.test('checkHost() is silent about what the host can do', async (t) => {
  const spec: Spec = {
    root: { path: 'rootfs' },
    process: { capabilities: { bounding: ['CAP_CHOWN', 'CAP_PERFMON'] } },
    mounts: [
      { destination: '/proc', type: 'proc', options: ['nosuid'] },
      { destination: '/cg', type: 'cgroup' },
      { destination: '/b', source: 'rootfs', options: ['bind'] },
      { destination: '/c', source: '/b/rootfs/later', options: ['bind'] },
    ],
    linux: {
      namespaces: [{ type: 'pid' }, { type: 'mount' }],
      sysctl: { 'net.ipv4.ip_forward': '1' },
      seccomp: { defaultAction: 'SCMP_ACT_KILL' },
      resources: { memory: { limit: 1 }, unified: { 'cgroup.freeze': '0' } },
    },
  }
  t.same(reportsOf(spec), [])
})

t.test('checkHost() reports what the host cannot do', async (t) => {
  const spec: Spec = {
    root: { path: '/none' },
    process: { capabilities: { ambient: ['CAP_BPF', 'CAP_X'] } },
    mounts: [
      { destination: '/a', type: 'overlay' },
      { destination: '/b', source: 'missing', options: ['bind', 'rro'] },
    ],
    hooks: { prestart: [{ path: '/missing' }], startContainer: [{ path: '/inside' }] },
    linux: {
      namespaces: [{ type: 'time' }, { type: 'pid', path: '/run/x' }],
      sysctl: { 'net.x': '1' },
      seccomp: { defaultAction: 'SCMP_ACT_LOG' },
      netDevices: { eth7: {} },
      resources: { pids: { limit: 1 }, network: { classID: 1 }, unified: { 'io.max': 'x' } },
    },
  }
  t.same(
    reportsOf(spec).map((report) => report.split(' ').slice(0, 2).join(' ')),
    [
      'error /root/path',
      'error /linux/namespaces/0/type',
      'error /linux/namespaces/1/path',
      'warning /mounts/0/type',
      'error /mounts/1/source',
      'error /mounts/1',
      'warning /process/capabilities/ambient/0',
      'warning /process/capabilities/ambient/1',
      'error /linux/seccomp/defaultAction',
      'warning /linux/sysctl/net.x',
      'error /hooks/prestart/0/path',
      'error /linux/resources/pids',
      'error /linux/resources/network',
      'error /linux/resources/unified/io.max',
      'error /linux/netDevices/eth7',
    ],
  )
})

t.test('factsOf() sees that a network namespace is the own one', async (t) => {
  const joins = (path: string) =>
    factsOf({ linux: { namespaces: [{ type: 'network', path }] } }, host, {
      euid: 0,
      systemd: false,
    }).joinsHostNetwork
  t.equal(joins('/run/netns/host'), true)
  t.equal(joins('/run/netns/other'), false)
  t.match(factsOf({}, host, { euid: 5, systemd: true }), {
    isRootless: true,
    usesSystemdCgroup: true,
    cgroupVersion: 2,
    hasApparmor: false,
    hasSelinux: false,
  })
})
