import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { leftovers, type TestBundle, type TestSpec, withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

const apparmorSwitch = '/sys/module/apparmor/parameters/enabled'
const hasApparmor =
  existsSync(apparmorSwitch) && readFileSync(apparmorSwitch, 'utf8').startsWith('Y')
const skipApparmor =
  needsContainers('command apparmor_parser') || (!hasApparmor && 'needs AppArmor in the kernel')
const skipWithout = skip || (hasApparmor && 'needs a kernel without AppArmor')
const skipWithoutSelinux =
  skip || (existsSync('/sys/fs/selinux/enforce') && 'needs a kernel without SELinux')

/** Loads a profile that forbids to write below /denied, and gives its name. */
function loadProfile(t: Test, b: TestBundle, suffix = ''): string {
  const name = `${b.id}-profile${suffix}`
  const file = join(b.dir, name)
  const rules = 'file, capability, network, mount, umount, signal, ptrace, unix, deny /denied/** w,'
  writeFileSync(file, `profile ${name} flags=(attach_disconnected) { ${rules} }\n`)
  execFileSync('apparmor_parser', ['--replace', '--skip-cache', file])
  t.teardown(() => {
    execFileSync('apparmor_parser', ['--remove', file])
  })
  return name
}

function confined(t: Test, args?: string[]): Promise<TestBundle> {
  return withBundle(t, {
    ...(args && { args }),
    configure: ({ root }) => {
      root.readonly = false
    },
    populate: (rootfs) => mkdirSync(join(rootfs, 'denied'), { mode: 0o777 }),
  })
}

/** Tells its profile, and breaks its rule. */
const PROBE = ['sh', '-c', 'cat /proc/self/attr/current; echo x > /denied/file']

t.test('AppArmor: the program runs under its profile', { skip: skipApparmor }, async (t) => {
  const b = await confined(t, PROBE)
  const profile = loadProfile(t, b)
  const cases: [string, (spec: TestSpec) => void][] = [
    ['root', () => {}],
    [
      'a user',
      ({ process }) => {
        process.user = { uid: 1000, gid: 1000 }
      },
    ],
    [
      'without new privileges',
      ({ process }) => {
        process.noNewPrivileges = true
      },
    ],
    [
      'with new privileges',
      ({ process }) => {
        process.noNewPrivileges = false
      },
    ],
    [
      'with a hook before it',
      (spec) => {
        spec.hooks = { startContainer: [{ path: '/bin/true' }] }
      },
    ],
  ]
  for (const [what, change] of cases) {
    b.reconfigure((spec) => {
      spec.process.apparmorProfile = profile
      change(spec)
    })
    const { code, stdout, stderr } = await b.tsrun('run', b.id)
    t.equal(code, 1, what)
    t.equal(stdout, `${profile} (enforce)\n`, what)
    t.match(stderr, /denied\/file: Permission denied/, what)
  }
  b.reconfigure(({ process }) => {
    process.apparmorProfile = 'unconfined'
  })
  t.match(await b.tsrun('run', b.id), { code: 0, stdout: 'unconfined\n' })
})

t.test('AppArmor: exec', { skip: skipApparmor }, async (t) => {
  const b = await confined(t)
  const [own, other] = [loadProfile(t, b), loadProfile(t, b, '-other')]
  b.reconfigure(({ process }) => {
    process.apparmorProfile = own
  })
  t.equal((await b.tsrun('run', '-d', b.id)).code, 0)
  const current = ['cat', '/proc/self/attr/current']
  t.match(await b.tsrun('exec', b.id, ...current), { code: 0, stdout: `${own} (enforce)\n` })
  const given = await b.tsrun('exec', '--apparmor', other, b.id, ...current)
  t.match(given, { code: 0, stdout: `${other} (enforce)\n` })
  writeFileSync(
    join(b.dir, 'process.json'),
    JSON.stringify({ args: ['/bin/cat', '/proc/self/attr/current'], cwd: '/' }),
  )
  const file = await b.tsrun('exec', '--process', 'process.json', b.id)
  t.match(file, { code: 0, stdout: /^unconfined/ }, 'a process.json inherits none')
  const missing = await b.tsrun('exec', '--apparmor', 'no-such', b.id, 'true')
  t.equal(missing.code, 255)
  t.match(
    missing.stderr,
    /unable to apply apparmor profile: write .*exec no-such.* to \/proc\/.*\/attr\/.*: no such file/,
  )
})

t.test('AppArmor: a profile that is not loaded', { skip: skipApparmor }, async (t) => {
  const b = await confined(t)
  b.reconfigure(({ process }) => {
    process.apparmorProfile = 'no-such'
  })
  const { code, stderr } = await b.tsrun('create', b.id)
  t.equal(code, 1)
  const text =
    /unable to apply apparmor profile: write .*exec no-such.*: no such file .* \(config.json:\d+:\d+\)/
  t.match(stderr, text)
  t.same(leftovers(b.dir, b.root, b.id), [])
})

t.test('AppArmor: nothing of the host is left open', { skip: skipApparmor }, async (t) => {
  const b = await confined(t)
  const profile = loadProfile(t, b)
  const open = async (): Promise<string[]> => {
    t.equal((await b.tsrun('create', b.id)).code, 0)
    const { pid } = await b.state()
    const targets = readdirSync(`/proc/${pid}/fd`).map((fd) =>
      readlinkSync(`/proc/${pid}/fd/${fd}`),
    )
    await b.tsrun('delete', '--force', b.id)
    // the caller's own streams are not of interest
    return targets.map((path) => path.replace(/\d+/g, 'N').replace(/output.*std/, 'std')).sort()
  }
  const before = await open()
  b.reconfigure(({ process }) => {
    process.apparmorProfile = profile
  })
  t.same(await open(), before)
})

t.test('AppArmor that is not there', { skip: skipWithout }, async (t) => {
  const b = await withBundle(t)
  b.reconfigure(({ process }) => {
    process.apparmorProfile = 'p'
  })
  const text = 'unable to apply apparmor profile: AppArmor is not enabled on this host'
  const { code, stderr } = await b.tsrun('create', b.id)
  t.equal(code, 1)
  t.match(stderr, new RegExp(`${text} \\(config.json:\\d+:\\d+\\)`))
  b.reconfigure(() => {})
  t.equal((await b.tsrun('run', '-d', b.id)).code, 0)
  const given = await b.tsrun('exec', '--apparmor', 'p', b.id, 'true')
  t.match(given, { code: 255, stderr: `exec failed: ${text}` })
})

t.test('SELinux that is not there', { skip: skipWithoutSelinux }, async (t) => {
  const b = await withBundle(t)
  b.reconfigure(({ process }) => {
    process.selinuxLabel = 'system_u:system_r:container_t:s0'
  })
  const text = 'selinux label is specified in config, but selinux is disabled or not supported'
  t.match(await b.tsrun('create', b.id), { code: 1, stderr: text })
  b.reconfigure(() => {})
  t.equal((await b.tsrun('run', '-d', b.id)).code, 0)
  const given = await b.tsrun('exec', '--process-label', 'l', b.id, 'true')
  t.match(given, { code: 255, stderr: `exec failed: ${text}` })
})
