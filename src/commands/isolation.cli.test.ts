import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { leftovers, type TestBundle, type TestSpec, withBundle } from '../testing/bundle.ts'
import { namespaceOf } from '../testing/kernel.ts'
import { needs, needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

type Namespaces = TestSpec['linux']['namespaces']

/** Kinds as config.json has them, and as /proc/PID/ns has them. */
const KINDS = {
  pid: 'pid',
  network: 'net',
  ipc: 'ipc',
  uts: 'uts',
  mount: 'mnt',
  cgroup: 'cgroup',
  time: 'time',
} as const

type Kind = keyof typeof KINDS

/** Leaves out what needs namespaces that a test has not. */
function bare(spec: TestSpec, namespaces: Namespaces): void {
  delete spec.hostname
  spec.linux.namespaces = namespaces
}

/** A container whose configuration is changed. @returns its process id */
async function created(
  b: TestBundle,
  id: string,
  change: (spec: TestSpec) => void,
): Promise<number> {
  b.reconfigure(change)
  const { code, stderr } = await b.tsrun('create', id)
  if (code !== 0 || stderr !== '') throw new Error(stderr)
  return (await b.state(id)).pid
}

async function refused(
  t: Test,
  b: TestBundle,
  change: (spec: TestSpec) => void,
  text: RegExp,
): Promise<void> {
  b.reconfigure(change)
  const { code, stdout, stderr } = await b.tsrun('create', `${b.id}-refused`)
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr, text)
  t.equal(stderr.split('\n').length, 2, 'one line')
  t.same(
    leftovers(b.dir, b.root, `${b.id}-refused`).filter((left) => left.includes('refused')),
    [],
  )
}

t.test('namespaces: each kind new', { skip: skip || needs('time namespace') }, async (t) => {
  const b = await withBundle(t)
  const kinds = Object.keys(KINDS) as Kind[]
  const all = await created(b, `${b.id}-all`, (spec) => {
    bare(
      spec,
      kinds.map((type) => ({ type })),
    )
  })
  for (const kind of kinds) {
    t.not(namespaceOf(all, KINDS[kind]), namespaceOf('self', KINDS[kind]), kind)
  }
  t.equal(namespaceOf(all, 'user'), namespaceOf('self', 'user'), 'none that is not listed')
  const few = await created(b, `${b.id}-few`, (spec) => {
    bare(spec, [{ type: 'mount' }])
  })
  for (const kind of kinds.filter((name) => name !== 'mount')) {
    t.equal(namespaceOf(few, KINDS[kind]), namespaceOf('self', KINDS[kind]), kind)
  }
})

t.test('namespaces: each kind joined by path', { skip }, async (t) => {
  const b = await withBundle(t)
  const kinds = (Object.keys(KINDS) as Kind[]).filter((kind) => kind !== 'time')
  const first = await created(b, `${b.id}-first`, (spec) => {
    bare(
      spec,
      kinds.map((type) => ({ type })),
    )
  })
  t.equal((await b.tsrun('start', `${b.id}-first`)).code, 0)
  for (const kind of kinds.filter((name) => name !== 'mount')) {
    const path = `/proc/${first}/ns/${KINDS[kind]}`
    const id = `${b.id}-${kind}`
    const pid = await created(b, id, (spec) => {
      bare(spec, [{ type: 'mount' }, { type: kind, path }])
    })
    t.equal(namespaceOf(pid, KINDS[kind]), namespaceOf(first, KINDS[kind]), kind)
    t.not(namespaceOf(pid, 'mnt'), namespaceOf(first, 'mnt'))
    t.equal((await b.tsrun('delete', id)).code, 0)
  }
  t.equal((await b.state(`${b.id}-first`)).status, 'running', 'it outlives those who joined')
  // joined at once, a namespace of its own beside
  const pid = await created(b, `${b.id}-pod`, (spec) => {
    bare(spec, [
      { type: 'pid' },
      { type: 'mount' },
      ...(['network', 'ipc', 'uts'] as const).map((type) => ({
        type,
        path: `/proc/${first}/ns/${KINDS[type]}`,
      })),
    ])
  })
  for (const kind of ['net', 'ipc', 'uts']) {
    t.equal(namespaceOf(pid, kind), namespaceOf(first, kind))
  }
  t.not(namespaceOf(pid, 'pid'), namespaceOf(first, 'pid'))
})

t.test(
  'namespaces: a joined time namespace',
  { skip: skip || needs('time namespace') },
  async (t) => {
    const b = await withBundle(t, { args: ['cat', '/proc/self/timens_offsets'] })
    const offsets = (spec: TestSpec, on: Namespaces) => {
      bare(spec, [{ type: 'mount' }, { type: 'pid' }, ...on])
    }
    const first = await created(b, `${b.id}-first`, (spec) => {
      offsets(spec, [{ type: 'time' }])
      spec.process.args = ['sleep', '1000']
      spec.linux.timeOffsets = {
        monotonic: { secs: 86_400 },
        boottime: { secs: -1, nanosecs: 500 },
      }
    })
    t.equal((await b.tsrun('start', `${b.id}-first`)).code, 0)
    b.reconfigure((spec) => offsets(spec, [{ type: 'time', path: `/proc/${first}/ns/time` }]))
    const { code, stdout } = await b.tsrun('run', `${b.id}-second`)
    t.equal(code, 0)
    t.match(stdout, /^monotonic +86400 +0\nboottime +-1 +500\n$/)
  },
)

t.test('time offsets', { skip: skip || needs('time namespace') }, async (t) => {
  const b = await withBundle(t)
  const uptime = () => Number(readFileSync('/proc/uptime', 'utf8').split('.')[0])
  b.reconfigure((spec) => {
    bare(spec, [{ type: 'mount' }, { type: 'pid' }, { type: 'time' }])
    spec.process.args = ['cat', '/proc/uptime']
    spec.linux.timeOffsets = { boottime: { secs: 1_000_000 } }
  })
  const before = uptime() + 1_000_000
  const { code, stdout } = await b.tsrun('run', b.id)
  t.equal(code, 0)
  const inside = Number(stdout.split('.')[0])
  t.ok(inside >= before - 1 && inside <= uptime() + 1_000_001, `${inside} is ${before} or later`)
  await refused(
    t,
    b,
    (spec) => {
      spec.linux.timeOffsets = { boottime: { secs: 1 } }
    },
    /time namespace offsets specified, but time namespace isn't enabled in the config/,
  )
})

t.test('namespaces: what is no namespace of the kind is refused (M-054)', { skip }, async (t) => {
  const b = await withBundle(t)
  const lists: [Namespaces, RegExp][] = [
    [[{ type: 'network', path: '/proc/self/ns/uts' }], /\/proc\/self\/ns\/uts/],
    [[{ type: 'pid', path: '/proc/self/ns/net' }], /\/proc\/self\/ns\/net/],
    [[{ type: 'ipc', path: '/etc/passwd' }], /\/etc\/passwd/],
    [[{ type: 'uts', path: '/no/such/file' }], /\/no\/such\/file.*no such file or directory/],
    [[{ type: 'uts', path: 'relative' }], /must be absolute/],
    [[{ type: 'uts' }, { type: 'uts' }], /duplicated ns/],
    [[{ type: 'nosuch' as 'uts' }], /nosuch/],
  ]
  for (const [namespaces, text] of lists) {
    await refused(
      t,
      b,
      (spec) => {
        const types = namespaces.map(({ type }) => type)
        spec.linux.namespaces = [
          ...spec.linux.namespaces.filter(({ type }) => !types.includes(type)),
          ...namespaces,
        ]
      },
      text,
    )
  }
})

t.test('hostname and domainname', { skip }, async (t) => {
  const host = readFileSync('/proc/sys/kernel/hostname', 'utf8')
  const b = await withBundle(t, {
    args: ['cat', '/proc/sys/kernel/hostname', '/proc/sys/kernel/domainname'],
    configure: (spec) => {
      spec.hostname = 'inside.example'
      spec.domainname = 'domain.example'
    },
  })
  t.match(await b.tsrun('run', b.id), { code: 0, stdout: 'inside.example\ndomain.example\n' })
  t.equal(readFileSync('/proc/sys/kernel/hostname', 'utf8'), host)
  const withoutUts = (spec: TestSpec) => {
    spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'uts')
  }
  await refused(t, b, withoutUts, /unable to set hostname without a private UTS namespace/)
  await refused(
    t,
    b,
    (spec) => {
      withoutUts(spec)
      delete spec.hostname
    },
    /unable to set domainname without a private UTS namespace/,
  )
  await refused(
    t,
    b,
    (spec) => {
      spec.hostname = 'x'.repeat(65)
    },
    /hostname/,
  )
})

t.test('sysctl: set in the namespaces of the container', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['sh', '-c', 'cd /proc/sys; cat kernel/msgmax fs/mqueue/queues_max net/ipv4/ip_forward'],
    configure: (spec) => {
      spec.linux.sysctl = {
        'kernel.msgmax': '12345',
        'fs.mqueue.queues_max': '77',
        'net/ipv4/ip_forward': '1',
      }
    },
  })
  const msgmax = readFileSync('/proc/sys/kernel/msgmax', 'utf8')
  t.match(await b.tsrun('run', b.id), { code: 0, stdout: '12345\n77\n1\n' })
  t.equal(readFileSync('/proc/sys/kernel/msgmax', 'utf8'), msgmax)
})

t.test('sysctl: what belongs to the host is refused (T-19)', { skip }, async (t) => {
  const b = await withBundle(t)
  const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8')
  const keys = [
    'kernel.core_pattern',
    'kernel/core_pattern',
    'net.ipv4/../../kernel/core_pattern',
    'net/../kernel/core_pattern',
    '/net/ipv4/ip_forward',
    'net..ipv4.ip_forward',
    'kernel.hostname',
    'vm.swappiness',
    'net.ipv4.no_such_key',
    '',
  ]
  for (const key of keys) {
    await refused(
      t,
      b,
      ({ linux }) => {
        linux.sysctl = { [key]: '1' }
      },
      /sysctl|\/proc\/sys|no such file/,
    )
  }
  for (const [type, key] of [
    ['network', 'net.ipv4.ip_forward'],
    ['ipc', 'kernel.msgmax'],
    ['ipc', 'fs.mqueue.queues_max'],
  ] as const) {
    await refused(
      t,
      b,
      ({ linux }) => {
        linux.namespaces = linux.namespaces.filter((namespace) => namespace.type !== type)
        linux.sysctl = { [key]: '1' }
      },
      /not allowed in (host network|the hosts ipc) namespace/,
    )
  }
  t.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'), pattern)
})

t.test('the loopback interface of a new network namespace is up', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['cat', '/sys/class/net/lo/flags'] })
  const { code, stdout } = await b.tsrun('run', b.id)
  t.equal(code, 0)
  t.equal(Number(stdout) & 1, 1, 'IFF_UP')
})

t.test('mounts of the container are no mounts of the host (H-28)', { skip }, async (t) => {
  const before = readFileSync('/proc/self/mountinfo', 'utf8')
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  t.equal(readFileSync('/proc/self/mountinfo', 'utf8'), before)
  await b.tsrun('start', b.id)
  t.equal(readFileSync('/proc/self/mountinfo', 'utf8'), before)
})

t.test("in the host's mount namespace the root stays as it is", { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['sh', '-c', 'echo written > /file && cat /file'],
    configure: (spec) => {
      spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'mount')
      // they would be mounted on the host
      spec.mounts = []
      spec.linux.maskedPaths = []
      spec.linux.readonlyPaths = []
      spec.root.readonly = true
    },
  })
  const { code, stdout, stderr } = await b.tsrun('run', b.id)
  t.match({ code, stdout }, { code: 0, stdout: 'written\n' })
  t.match(stderr, /level=warning msg="root.readonly is ignored without a mount namespace/)
  t.notOk(readFileSync('/proc/self/mountinfo', 'utf8').includes(b.dir))
})
