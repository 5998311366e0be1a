/** T-10: long values and NUL characters change nothing but what they stand for. */
import t from 'tap'
import { type TestSpec, withBundle } from '../testing/bundle.ts'
import { namespaceOf } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

const KINDS = { pid: 'pid', network: 'net', ipc: 'ipc', uts: 'uts', mount: 'mnt' } as const

const long = (length: number): string => 'x'.repeat(length)

/** What is long, and whether there can be such a container. */
const LONG: Record<string, [canBe: boolean, change: (spec: TestSpec) => void]> = {
  'groups of 70,000 bytes': [
    true,
    ({ process }) => {
      process.user.additionalGids = Array.from({ length: 14_000 }, (_, i) => 10_000 + i)
    },
  ],
  'more groups than there can be': [
    false,
    ({ process }) => {
      process.user.additionalGids = Array.from({ length: 70_000 }, (_, i) => 10_000 + i)
    },
  ],
  'an environment of 1,900 kB': [
    true,
    ({ process }) => {
      for (let i = 0; i < 19; i++) process.env.push(`V${i}=${long(100_000)}`)
    },
  ],
  'a mount source of 70,000 bytes': [
    false,
    ({ mounts }) => {
      mounts.push({ destination: '/tmp', source: `/${long(70_000)}`, options: ['bind'] })
    },
  ],
  'mount options of 70,000 bytes': [
    false,
    ({ mounts }) => {
      mounts.push({ destination: '/tmp', type: 'tmpfs', options: [`size=${long(70_000)}`] })
    },
  ],
  '2,000 mounts': [
    true,
    ({ mounts }) => {
      for (let i = 0; i < 2000; i++) mounts.push({ destination: '/tmp', type: 'tmpfs' })
    },
  ],
  '3,000 masked paths that are not there': [
    true,
    ({ linux }) => {
      linux.maskedPaths = Array.from({ length: 3000 }, (_, i) => `/tmp/${long(100)}${i}`)
    },
  ],
  'a host name of 70,000 bytes': [
    false,
    (spec) => {
      spec.hostname = long(70_000)
    },
  ],
}

t.test('T-10 CVE-2021-43784 long values leave the namespaces as they were', { skip }, async (t) => {
  const b = await withBundle(t)
  for (const [what, [canBe, change]] of Object.entries(LONG)) {
    b.reconfigure(change)
    const { code, stderr } = await b.shell('exec timeout -k 1 60 $TSRUN --root $ROOT create $ID')
    t.equal(code, canBe ? 0 : 1, `${what}: ${stderr.slice(0, 300)}`)
    if (code !== 0) continue
    const { pid } = await b.state()
    for (const kind of Object.values(KINDS)) {
      t.not(namespaceOf(pid, kind), namespaceOf('self', kind), `${what}: ${kind}`)
    }
    t.equal(namespaceOf(pid, 'user'), namespaceOf('self', 'user'), what)
    t.equal((await b.tsrun('delete', '--force', b.id)).code, 0)
  }
})

t.test('T-10 CVE-2021-43784 an argument that is too long is an error', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['true'],
    configure({ process }) {
      process.env = ['PATH=/bin', `LONG=${long(200_000)}`]
    },
  })
  t.match(await b.tsrun('run', b.id), { code: 255, stderr: /argument list too long/i })
})

t.test('T-10 CVE-2021-43784 no text ends at a NUL character', { skip }, async (t) => {
  const b = await withBundle(t)
  const text = 'tmp\0/../etc'
  const changes: ((spec: TestSpec) => void)[] = [
    ({ process }) => {
      process.args = ['true', text]
    },
    ({ process }) => {
      process.args = ['true\0false']
    },
    ({ process }) => {
      process.env.push(`A=${text}`)
    },
    ({ process }) => {
      process.cwd = `/${text}`
    },
    ({ root }) => {
      root.path = 'rootfs\0x'
    },
    ({ mounts }) => {
      mounts.push({ destination: `/${text}`, type: 'tmpfs' })
    },
    ({ mounts }) => {
      mounts.push({ destination: '/tmp', source: '/etc\0x', options: ['bind'] })
    },
    ({ mounts }) => {
      mounts.push({ destination: '/tmp', type: 'tmpfs', options: ['mode=755\0,size=1k'] })
    },
    ({ linux }) => {
      linux.sysctl = { 'net.ipv4.ip_forward': '1\0' }
    },
    ({ linux }) => {
      linux.sysctl = { 'net.ipv4.ip_forward\0x': '1' }
    },
    ({ linux }) => {
      linux.maskedPaths = ['/proc/version\0x']
    },
    ({ linux }) => {
      linux.readonlyPaths = ['/proc/sys\0x']
    },
    ({ linux }) => {
      linux.cgroupsPath = `/${text}`
    },
    ({ linux }) => {
      linux.devices = [{ type: 'c', path: '/dev/a\0b', major: 1, minor: 3 }]
    },
    ({ linux }) => {
      linux.namespaces.push({ type: 'time', path: '/proc/self/ns/time\0x' })
    },
    (spec) => {
      spec.hostname = 'a\0b'
    },
    (spec) => {
      spec.hooks = { createRuntime: [{ path: '/bin/true\0x' }] }
    },
    (spec) => {
      spec.hooks = { createRuntime: [{ path: '/bin/true', args: ['true', 'a\0b'] }] }
    },
    (spec) => {
      spec.hooks = { createRuntime: [{ path: '/bin/true', env: ['A=b\0c'] }] }
    },
  ]
  for (const change of changes) {
    b.reconfigure(change)
    const { code, stderr } = await b.tsrun('create', b.id)
    t.equal(code, 1, `${change}`)
    t.equal(stderr.split('\n').length, 2, stderr)
    if (code === 0) await b.tsrun('delete', '--force', b.id)
  }
})
