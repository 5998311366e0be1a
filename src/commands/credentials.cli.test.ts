import t from 'tap'
import { runner, running, type TestSpec, withBundle } from '../testing/bundle.ts'
import { processStatus } from '../testing/kernel.ts'
import { needs, needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('user: ids, groups, umask', { skip }, async (t) => {
  const b = await withBundle(t)
  const statusFor = async (user: TestSpec['process']['user']) => {
    const pid = await running(b, ({ process }) => {
      process.user = user
    })
    return (field: string) => processStatus(pid, field).replace(/\s+/g, ' ')
  }
  const plain = await statusFor({ uid: 0, gid: 0 })
  t.equal(plain('Groups'), '', 'none of the caller')
  t.equal(plain('Umask'), '0022')
  const full = await statusFor({ uid: 1234, gid: 56, additionalGids: [7, 1000, 7], umask: 0o27 })
  t.equal(full('Uid'), '1234 1234 1234 1234')
  t.equal(full('Gid'), '56 56 56 56')
  t.same(full('Groups').split(' '), ['7', '7', '1000'])
  t.equal(full('Umask'), '0027')
  t.equal(full('CapPrm'), '0000000000000000', 'no root, no ambient: no capabilities')
  t.equal(full('CapEff'), '0000000000000000')
  const numeric = await statusFor({ uid: 4_000_000_000, gid: 4_294_967_294 })
  t.match(numeric('Uid'), /^4000000000 /)
  t.match(numeric('Gid'), /^4294967294 /)
})

t.test(
  "user: the caller's groups do not leak (T-17)",
  { skip: skip || needs('command setpriv') },
  async (t) => {
    const b = await withBundle(t, { args: ['grep', 'Groups', '/proc/self/status'] })
    const outcome = await b.shell('setpriv --groups 4,24,27 "$TSRUN" --root "$ROOT" run "$ID"')
    t.match(outcome, { code: 0, stdout: /^Groups:\s*\n$/ })
  },
)

t.test('umask: 0022 whatever the caller has (H-15)', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['sh', '-c', 'umask; stat -c %a /dev/null /dev/zero'],
  })
  for (const umask of ['0', '077']) {
    t.match(await b.shell(`umask ${umask}; exec "$TSRUN" --root "$ROOT" run "$ID"`), {
      code: 0,
      stdout: '0022\n666\n666\n',
    })
  }
})

t.test('capabilities: five sets, as written', { skip }, async (t) => {
  const b = await withBundle(t)
  const [chown, kill, netRaw] = [1n << 0n, 1n << 5n, 1n << 13n]
  const hex = (set: bigint) => set.toString(16).padStart(16, '0')
  const sets = async (capabilities: TestSpec['process']['capabilities'], uid = 0) => {
    const pid = await running(b, ({ process }) => {
      if (capabilities) process.capabilities = capabilities
      else delete process.capabilities
      process.user = { uid, gid: uid }
    })
    return ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'].map((set) => processStatus(pid, `Cap${set}`))
  }
  const all = ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_RAW']
  t.same(
    await sets({ bounding: all, permitted: all, effective: all }),
    [0n, chown | kill | netRaw, chown | kill | netRaw, chown | kill | netRaw, 0n].map(hex),
    'nothing inheritable that is not asked for (T-07)',
  )
  t.same(await sets({}), [0n, 0n, 0n, 0n, 0n].map(hex), 'none')
  t.same(
    await sets(
      {
        bounding: all,
        permitted: ['CAP_KILL', 'CAP_NET_RAW'],
        effective: ['CAP_KILL', 'CAP_NET_RAW'],
        inheritable: ['CAP_NET_RAW'],
        ambient: ['CAP_NET_RAW'],
      },
      1000,
    ),
    [netRaw, netRaw, netRaw, chown | kill | netRaw, netRaw].map(hex),
    'a user keeps the ambient ones',
  )
})

t.test(
  'capabilities: what the caller has does not leak (T-18)',
  { skip: skip || needs('command setpriv') },
  async (t) => {
    const b = await withBundle(t, {
      args: ['grep', 'Cap', '/proc/self/status'],
      configure: ({ process }) => {
        process.capabilities = {}
      },
    })
    const { code, stdout } = await b.shell(
      'setpriv --inh-caps +net_raw --ambient-caps +net_raw "$TSRUN" --root "$ROOT" run "$ID"',
    )
    t.equal(code, 0)
    t.equal(stdout.match(/0000000000000000/g)?.length, 5)
  },
)

t.test('capabilities: an unknown or unraisable one is a warning', { skip }, async (t) => {
  const go = await runner(t)
  const unknown = await go(['true'], ({ process }) => {
    process.capabilities = { bounding: ['CAP_ZULU', 'CAP_KILL', 'CAP_ALPHA', 'CAP_ZULU'] }
  })
  t.equal(unknown.code, 0)
  t.match(
    unknown.stderr,
    /^time="[^"]+" level=warning msg="ignoring unknown or unavailable capabilities: \[CAP_ALPHA CAP_ZULU\]"\n$/,
  )
  const ambient = await go(['true'], ({ process }) => {
    process.capabilities = { bounding: ['CAP_KILL'], ambient: ['CAP_KILL'] }
  })
  t.equal(ambient.code, 0)
  t.match(
    ambient.stderr,
    /^time="[^"]+" level=warning msg="can't raise ambient capability CAP_KILL: operation not permitted"\n$/,
  )
})

t.test('noNewPrivileges', { skip }, async (t) => {
  const b = await withBundle(t)
  for (const wanted of [true, false]) {
    const pid = await running(b, ({ process }) => {
      process.noNewPrivileges = wanted
    })
    t.equal(processStatus(pid, 'NoNewPrivs'), wanted ? '1' : '0')
  }
})
