import t from 'tap'
import { richConfig } from '../../spec/rich-config.ts'
import { problemsOf, validateProcess, validateSpec } from './validate.ts'
import {
  BASE,
  checkRows,
  errorOf,
  mapping,
  ROOT,
  withLinux,
  withMount,
  withProcess,
} from './validate-samples.ts'

t.equal(errorOf(BASE), undefined, 'a small specification is good')
t.equal(errorOf(richConfig), undefined, 'every property may be used at once')

checkRows([
  [
    'no process',
    { ...BASE, process: undefined as never },
    '/process process property must not be empty',
  ],
  ['no cwd', withProcess({ cwd: '' }), '/process/cwd Cwd property must not be empty'],
  ['relative cwd', withProcess({ cwd: 'a' }), '/process/cwd Cwd must be an absolute path'],
  ['no args', withProcess({ args: [] }), '/process/args args must not be empty'],
  ['NUL in args', withProcess({ args: ['a', 'b\0'] }), '/process/args/1 contains nul byte (\\x00)'],
  [
    'SELinux is off',
    withProcess({ apparmorProfile: 'p' }),
    '/process/apparmorProfile unable to apply apparmor profile: AppArmor is not enabled on this host',
    { hasApparmor: false },
  ],
  [
    'selinux',
    withProcess({ selinuxLabel: 'l' }),
    '/process/selinuxLabel selinux label is specified in config, but selinux is disabled or not supported',
    { hasSelinux: false },
  ],
  [
    'env without =',
    withProcess({ env: ['A'] }),
    "/process/env/0 invalid environment variable: missing '='",
  ],
  [
    'env without name',
    withProcess({ env: ['=a'] }),
    '/process/env/0 invalid environment variable: name cannot be empty',
  ],
  [
    'env with NUL',
    withProcess({ env: ['K=\0'] }),
    '/process/env/0 invalid environment variable "K": contains nul byte (\\x00)',
  ],
  [
    'rlimit',
    withProcess({ rlimits: [{ type: 'RLIMIT_X', hard: 1, soft: 1 }] }),
    '/process/rlimits/0/type wrong rlimit value: RLIMIT_X',
  ],
  [
    'rlimit twice',
    withProcess({ rlimits: [1, 2].map((n) => ({ type: 'RLIMIT_CPU', hard: n, soft: n })) }),
    '/process/rlimits/1/type rlimit RLIMIT_CPU is given twice',
  ],
  [
    'soft above hard',
    withProcess({ rlimits: [{ type: 'RLIMIT_CPU', hard: 1, soft: 18446744073709551615n }] }),
    '/process/rlimits/0 rlimit RLIMIT_CPU: soft limit 18446744073709551615 is above hard limit 1',
  ],
  [
    'uid -1',
    withProcess({ user: { uid: 4294967295 } }),
    '/process/user/uid cannot setuid to uid 4294967295: it means no change',
  ],
  [
    'gid -1',
    withProcess({ user: { gid: 4294967295 } }),
    '/process/user/gid cannot setgid to gid 4294967295: it means no change',
  ],
  [
    'oomScoreAdj',
    withProcess({ oomScoreAdj: 1001 }),
    '/process/oomScoreAdj oomScoreAdj 1001 is out of range, allowed: -1000 to 1000',
  ],
  ['scheduler', withProcess({ scheduler: {} }), '/process/scheduler scheduler policy is required'],
  [
    'nice',
    withProcess({ scheduler: { policy: 'SCHED_BATCH', nice: 20 } }),
    '/process/scheduler/nice invalid scheduler.nice: 20 when using SCHED_BATCH, allowed: -20 to 19',
  ],
  [
    'priority',
    withProcess({ scheduler: { policy: 'SCHED_OTHER', priority: 1 } }),
    '/process/scheduler/priority scheduler.priority can only be specified for SchedFIFO or SchedRR policy',
  ],
  [
    'deadline of another policy',
    withProcess({ scheduler: { policy: 'SCHED_IDLE', period: 5 } }),
    '/process/scheduler scheduler runtime/deadline/period can only be specified for SchedDeadline policy',
  ],
  [
    'ioPriority',
    withProcess({ ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 8 } }),
    '/process/ioPriority/priority invalid ioPriority.Priority: 8',
  ],
  [
    'ioPriority class',
    withProcess({ ioPriority: {} }),
    '/process/ioPriority/class invalid ioPriority.Class: ""',
  ],
  [
    'affinity',
    withProcess({ execCPUAffinity: { final: '3-1' } }),
    '/process/execCPUAffinity/final bad CPUAffinity.Final: range 3-1 is backwards',
  ],
  ['no root', { ...BASE, root: undefined as never }, '/root root must be specified'],
  [
    'empty annotation name',
    { ...BASE, annotations: { '': 'x' } },
    '/annotations annotation with an empty name',
  ],
])

checkRows([
  [
    'namespace type',
    withLinux({ namespaces: [{ type: 'none' }] }),
    '/linux/namespaces/0/type namespace "none" does not exist',
  ],
  [
    'namespace twice',
    withLinux({ namespaces: [{ type: 'pid' }, { type: 'pid' }] }),
    '/linux/namespaces/1 malformed spec file: duplicated ns "pid"',
  ],
  [
    'propagation',
    withLinux({ rootfsPropagation: 'x' }),
    '/linux/rootfsPropagation rootfsPropagation=x is not supported',
  ],
  [
    'rr',
    withLinux({ rootfsPropagation: 'rrslave' }),
    '/linux/rootfsPropagation rootfsPropagation=rrslave is not supported',
  ],
  [
    'private without pivot_root',
    withLinux({ rootfsPropagation: 'rprivate' }),
    '/linux/rootfsPropagation rootfsPropagation of [r]private is not safe without pivot_root',
    { avoidsPivot: true },
  ],
  [
    'hostname',
    { ...withLinux({ namespaces: [] }), hostname: 'x' },
    '/hostname unable to set hostname without a private UTS namespace',
  ],
  [
    'domainname',
    { ...withLinux({ namespaces: [] }), domainname: 'x' },
    '/domainname unable to set domainname without a private UTS namespace',
  ],
  [
    'masked',
    withLinux({ namespaces: [], maskedPaths: ['/x'] }),
    '/linux/maskedPaths unable to restrict sys entries without a private MNT namespace',
  ],
  [
    'relative',
    withLinux({ readonlyPaths: ['x'] }),
    '/linux/readonlyPaths/0 path "x" is not absolute',
  ],
  [
    'user namespace',
    withLinux({ namespaces: [{ type: 'user' }] }),
    '/linux/namespaces user namespaces enabled, but no namespace path to join nor mappings to apply specified',
  ],
  [
    'mappings',
    withLinux({ uidMappings: [mapping] }),
    "/linux/uidMappings user namespace mappings specified, but user namespace isn't enabled in the config",
  ],
  [
    'offsets',
    withLinux({ namespaces: [], timeOffsets: { monotonic: { secs: 1 } } }),
    "/linux/timeOffsets time namespace offsets specified, but time namespace isn't enabled in the config",
  ],
  [
    'offsets and path',
    withLinux({
      namespaces: [{ type: 'time', path: '/x' }],
      timeOffsets: { monotonic: { secs: 1 } },
    }),
    '/linux/timeOffsets time namespace enabled, but both namespace path and time offsets specified -- you may only provide one',
  ],
  [
    'clock',
    withLinux({ timeOffsets: { realtime: {} } }),
    '/linux/timeOffsets/realtime clock "realtime" has no offset, allowed: monotonic, boottime',
  ],
  [
    'nanosecs',
    withLinux({ timeOffsets: { boottime: { nanosecs: 1e9 } } }),
    '/linux/timeOffsets/boottime/nanosecs found number 1000000000, allowed: less than 1000000000',
  ],
  [
    'rootless',
    BASE,
    '/linux/namespaces rootless container requires user namespaces',
    { isRootless: true },
  ],
  [
    'rootless gid',
    withLinux({ namespaces: [{ type: 'user' }], uidMappings: [mapping] }),
    '/linux/gidMappings rootless containers requires at least one GID mapping',
    { isRootless: true },
  ],
  [
    'rootless groups',
    withProcess({ user: { additionalGids: [1] } }),
    '/process/user/additionalGids cannot set any additional groups in a rootless container',
    { isRootless: true },
  ],
])

t.test('what runc accepts is accepted', async (t) => {
  t.equal(errorOf(withLinux({ seccomp: { defaultAction: '' } })), undefined)
  t.equal(errorOf(withLinux({ rootfsPropagation: 'rshared' })), undefined)
  t.equal(
    errorOf(
      withMount(
        { options: ['bind', 'defaults', 'rro', 'idmap'] },
        { namespaces: [{ type: 'user', path: '/x' }], uidMappings: [mapping] },
      ),
    ),
    undefined,
  )
  t.equal(
    errorOf(
      withLinux({
        uidMappings: [{ containerID: 0, hostID: 0, size: 4294967295 }],
        namespaces: [{ type: 'user' }],
      }),
    ),
    undefined,
  )
  t.equal(errorOf({ ...BASE, ociVersion: 'banana' }), undefined)
  t.equal(errorOf(withLinux({ cgroupsPath: 'a:b:c' }), { usesSystemdCgroup: true }), undefined)
})

t.test('validateSpec() returns warnings', async (t) => {
  const warnings = validateSpec(withMount({ destination: 'x' }), ROOT)
  t.match(warnings, [{ severity: 'warning', pointer: '/mounts/0/destination' }])
})

t.test('validateProcess() points into process.json', async (t) => {
  t.throws(() => validateProcess({ cwd: '/' }, ROOT), { name: 'SpecError', pointer: '/args' })
})

t.test('problemsOf() goes on after an error', async (t) => {
  const problems = problemsOf({ process: { cwd: 'x' } }, ROOT)
  t.same(
    problems.map(({ pointer }) => pointer),
    ['/process/cwd', '/process/args', '/root'],
  )
})
