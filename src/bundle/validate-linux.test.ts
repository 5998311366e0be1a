import t from 'tap'
import {
  BASE,
  checkRows,
  errorOf,
  mapping,
  withLinux,
  withMount,
  withSysctl,
} from './validate-samples.ts'

t.test('sysctls belong to a namespace of the container', async (t) => {
  for (const key of [
    'net/ipv4/conf/lo/forwarding',
    'net.ipv4.ip_forward',
    'kernel.shmmax',
    'kernel/sem',
    'fs.mqueue.msg_max',
    'kernel.domainname',
    'net.ipv4.conf.eno2/100.rp_filter',
  ]) {
    t.equal(errorOf(withSysctl(key)), undefined, key)
  }
  for (const key of [
    'net.ipv4/../../kernel/core_pattern',
    'net/../kernel/core_pattern',
    'kernel.core_pattern',
    '/net/ipv4/x',
    'net..ipv4.ip_forward',
    'net',
    'net.//.x',
    '',
    'kernel.sem.x',
    'vm.x',
  ]) {
    t.match(errorOf(withSysctl(key)), /is not in a separate kernel namespace$/, key)
  }
  const at = '/linux/sysctl/'
  t.equal(
    errorOf(withSysctl('kernel.hostname')),
    `${at}kernel.hostname sysctl "kernel.hostname" is not allowed as it conflicts with the OCI "hostname" field`,
  )
  t.equal(
    errorOf(withSysctl('net.x', '1\n2')),
    `${at}net.x value of sysctl "net.x" contains a newline or nul byte`,
  )
  t.equal(
    errorOf(withSysctl('user.x')),
    `${at}user.x setting ucounts without a user namespace not allowed: user.x`,
  )
  t.equal(
    errorOf(withLinux({ namespaces: [], sysctl: { 'kernel.sem': '1' } })),
    `${at}kernel.sem sysctl "kernel.sem" is not allowed in the hosts ipc namespace`,
  )
  t.equal(
    errorOf(withSysctl('net.x'), { joinsHostNetwork: true }),
    `${at}net.x sysctl "net.x" not allowed in host network namespace`,
  )
})

checkRows([
  [
    'data of a bind',
    withMount({ options: ['rbind', 'mode=1'] }),
    '/mounts/0/options bind mounts cannot have any filesystem-specific options applied',
  ],
  ['NUL', withMount({ source: 'a\0' }), '/mounts/0 mount field contains null byte'],
  [
    'idmap of a file system',
    withMount({ uidMappings: [mapping], gidMappings: [mapping] }),
    '/mounts/0 id-mapped mounts are only supported for bind-mounts',
  ],
  [
    'half an id mapping',
    withMount({ options: ['bind'], uidMappings: [mapping] }),
    '/mounts/0 id-mapped mounts must have both uid and gid mappings specified',
  ],
  [
    'idmap of nothing',
    withMount({ options: ['bind', 'idmap'] }),
    '/mounts/0/options option idmap needs mappings of the mount or a user namespace of the container',
  ],
  [
    'rootless owner',
    withMount(
      { options: ['gid=20'] },
      { namespaces: [{ type: 'user' }], uidMappings: [mapping], gidMappings: [mapping] },
    ),
    '/mounts/0/options/0 cannot specify gid=20 mount option for rootless container: gid 20 is not mapped',
    { isRootless: true },
  ],
  [
    'net devices',
    withLinux({ namespaces: [], netDevices: { a: {} } }),
    '/linux/netDevices unable to move network devices without a NET namespace',
  ],
  [
    'rootless net devices',
    withLinux({ netDevices: { a: {} } }),
    '/linux/netDevices network devices are not supported for rootless containers',
    { hasRootlessCgroups: true },
  ],
  [
    'net device name',
    withLinux({ netDevices: { a: { name: 'x/y' } } }),
    '/linux/netDevices/a invalid network device name "x/y"',
  ],
  [
    'long net device name',
    withLinux({ netDevices: { a123456789012345: {} } }),
    '/linux/netDevices/a123456789012345 invalid network device name "a123456789012345"',
  ],
  [
    'device type',
    withLinux({ devices: [{ type: 'x', path: '/x' }] }),
    '/linux/devices/0/type invalid device type "x"',
  ],
  [
    'device number',
    withLinux({ devices: [{ type: 'c', path: '/x', major: 1 }] }),
    '/linux/devices/0 found no "minor", which type c requires',
  ],
  [
    'device rule',
    withLinux({ resources: { devices: [{ allow: true }] } }),
    '/linux/resources/devices/0 device access at 0 field cannot be empty',
  ],
  [
    'device rule type',
    withLinux({ resources: { devices: [{ allow: true, type: 'p', access: 'r' }] } }),
    '/linux/resources/devices/0/type invalid cgroup device type "p"',
  ],
  [
    'systemd path',
    withLinux({ cgroupsPath: '/a/b' }),
    '/linux/cgroupsPath expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "/a/b" instead',
    { usesSystemdCgroup: true },
  ],
  [
    'unified on v1',
    withLinux({ resources: { unified: { 'memory.max': '1' } } }),
    '/linux/resources/unified invalid configuration: cannot use unified on cgroup v1',
    { cgroupVersion: 1 },
  ],
  [
    'unified path',
    withLinux({ resources: { unified: { '../x': '1' } } }),
    '/linux/resources/unified/..~1x unified resource "../x" must be a file name (no slashes)',
  ],
  [
    'swap',
    withLinux({ resources: { memory: { limit: 5, swap: 4 } } }),
    '/linux/resources/memory/swap memory+swap limit should be >= memory limit',
  ],
  [
    'weight',
    withLinux({ resources: { blockIO: { weightDevice: [{ major: 1, minor: 1 }] } } }),
    '/linux/resources/blockIO/weightDevice/0 found neither weight nor leafWeight',
  ],
  [
    'rdma',
    withLinux({ resources: { rdma: { x: {} } } }),
    '/linux/resources/rdma/x found neither hcaHandles nor hcaObjects',
  ],
  [
    'personality',
    withLinux({ personality: { domain: 'X' } }),
    '/linux/personality/domain invalid personality domain X',
  ],
  [
    'memory policy',
    withLinux({ memoryPolicy: {} }),
    '/linux/memoryPolicy/mode invalid memory policy mode ""',
  ],
  [
    'memory policy flag',
    withLinux({ memoryPolicy: { mode: 'MPOL_LOCAL', flags: ['X'] } }),
    '/linux/memoryPolicy/flags/0 invalid memory policy flag "X"',
  ],
  [
    'no nodes allowed',
    withLinux({ memoryPolicy: { mode: 'MPOL_DEFAULT', nodes: '0-7' } }),
    '/linux/memoryPolicy/nodes memory policy mode requires 0 nodes but got 8',
  ],
  [
    'nodes required',
    withLinux({ memoryPolicy: { mode: 'MPOL_BIND' } }),
    '/linux/memoryPolicy/nodes memory policy mode requires at least one node but got 0',
  ],
  [
    'huge node',
    withLinux({ memoryPolicy: { mode: 'MPOL_BIND', nodes: '99999999999' } }),
    '/linux/memoryPolicy/nodes invalid memory policy nodes "99999999999": 99999999999 is too large, allowed: less than 1024',
  ],
  [
    'closID',
    withLinux({ intelRdt: { closID: '..' } }),
    '/linux/intelRdt/closID invalid intelRdt.ClosID ".."',
  ],
  [
    'no RDT',
    withLinux({ intelRdt: {} }),
    '/linux/intelRdt intelRdt is specified in config, but Intel RDT is not enabled',
    { intelRdt: { isEnabled: false, hasCacheAllocation: false, hasBandwidthAllocation: false } },
  ],
  [
    'hook',
    { ...BASE, hooks: { poststop: [{ path: 'x' }] } },
    '/hooks/poststop/0/path path "x" of a poststop hook is not absolute and without nul bytes',
  ],
])

checkRows([
  [
    'no rules',
    withLinux({ seccomp: { syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }] } }),
    '/linux/seccomp/defaultAction string "" is not a valid action for seccomp',
  ],
  [
    'notify all',
    withLinux({ seccomp: { defaultAction: 'SCMP_ACT_NOTIFY', listenerPath: '/x' } }),
    '/linux/seccomp/defaultAction SCMP_ACT_NOTIFY cannot be used as default action',
  ],
  [
    'errno of allow',
    withLinux({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', defaultErrnoRet: 1 } }),
    '/linux/seccomp/defaultErrnoRet seccomp action SCMP_ACT_ALLOW does not take an errno',
  ],
  [
    'flag',
    withLinux({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', flags: ['X'] } }),
    '/linux/seccomp/flags/0 seccomp flag X is not known to runc',
  ],
  [
    'flag for a listener',
    withLinux({
      seccomp: {
        defaultAction: 'SCMP_ACT_ALLOW',
        flags: ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'],
      },
    }),
    '/linux/seccomp/flags/1 SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is of use with SCMP_ACT_NOTIFY only',
  ],
  [
    'empty name',
    withLinux({
      seccomp: {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{ names: ['read', ''], action: 'SCMP_ACT_ERRNO' }],
      },
    }),
    '/linux/seccomp/syscalls/0/names/1 empty string is not a valid syscall',
  ],
  [
    'no name',
    withLinux({
      seccomp: {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{ names: ['read\0'], action: 'SCMP_ACT_ERRNO' }],
      },
    }),
    '/linux/seccomp/syscalls/0/names/0 contains nul byte (\\x00)',
  ],
  [
    'metadata',
    withLinux({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', listenerMetadata: 'x' } }),
    '/linux/seccomp/listenerMetadata seccomp listenerMetadata is set without listenerPath',
  ],
  [
    'no listener',
    withLinux({
      seccomp: {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{ names: ['read'], action: 'SCMP_ACT_NOTIFY' }],
      },
    }),
    '/linux/seccomp seccomp listenerPath is not set',
  ],
  [
    'notify write',
    withLinux({
      seccomp: {
        defaultAction: 'SCMP_ACT_ALLOW',
        listenerPath: '/x',
        syscalls: [{ names: ['write'], action: 'SCMP_ACT_NOTIFY' }],
      },
    }),
    '/linux/seccomp/syscalls/0/action SCMP_ACT_NOTIFY cannot be used for the write syscall',
  ],
])
