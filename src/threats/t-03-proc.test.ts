/** T-03, T-04, T-19: what stands for /proc, /sys and the null device is what it should be. */
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { makeDecoy, withoutMounts } from '../rootfs/testing.ts'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('T-03 a link in place of /proc or /sys is refused', { skip }, async (t) => {
  for (const [name, target] of [
    ['proc', '/tmp'],
    ['proc', 'etc/p'],
    ['proc', '../../../../tmp'],
    ['sys', '/tmp'],
    ['sys', '/proc'],
  ] as const) {
    const bundle = await withBundle(t, {
      args: ['true'],
      populate(rootfs) {
        rmSync(`${rootfs}/${name}`, { recursive: true })
        symlinkSync(target, `${rootfs}/${name}`)
        mkdirSync(`${rootfs}/etc/p`)
      },
    })
    const { code, stderr } = await bundle.tsrun('run', bundle.id)
    t.equal(code, 1, `${name} -> ${target}`)
    t.match(stderr, /must be mounted on ordinary directory/)
  }
})

t.test('T-03 nothing is mounted over parts of /proc', { skip }, async (t) => {
  const bundle = await withBundle(t, {
    args: ['true'],
    populate(rootfs) {
      symlinkSync('/proc/sys', `${rootfs}/x`)
      symlinkSync('proc', `${rootfs}/p`)
      writeFileSync(`${rootfs}/etc/fake`, 'fake')
    },
  })
  const bind = (source: string) => ({ source, options: ['bind'] })
  const fake = bind(`${bundle.rootfs}/etc/fake`)
  const cases = [
    [{ destination: '/proc/sys', type: 'tmpfs' }, /is inside \/proc/],
    [{ destination: '/x', type: 'tmpfs' }, /is inside \/proc/],
    [{ destination: '/p/self/attr', type: 'tmpfs' }, /is inside \/proc/],
    [{ destination: '/p', type: 'tmpfs' }, /is not of type proc/],
    [{ destination: '/proc', type: 'tmpfs' }, /is not of type proc/],
    [{ destination: '/proc', ...bind('/proc/sys') }, /is not of type proc/],
    [{ destination: '/proc/sys/kernel/core_pattern', ...fake }, /is inside \/proc/],
    [{ destination: '/proc/version', ...fake }, /is inside \/proc/],
    [{ destination: '/proc/../proc//sys/', type: 'tmpfs' }, /is inside \/proc/],
    [{ destination: '/proc/cpuinfo', ...fake }, undefined],
    [{ destination: '/proc/meminfo', ...fake }, undefined],
  ] as const
  for (const [mount, message] of cases) {
    bundle.reconfigure((spec) => {
      spec.mounts.push(structuredClone(mount) as (typeof spec.mounts)[number])
    })
    const { code, stderr } = await bundle.tsrun('run', bundle.id)
    t.equal(code, message === undefined ? 0 : 1, JSON.stringify(mount))
    if (message !== undefined) t.match(stderr, message)
  }
})

t.test('T-04 masks do not come from a /dev/null of the image', { skip }, async (t) => {
  const decoy = makeDecoy(t.testdir())
  const makers: ((path: string) => void)[] = [
    (path) => symlinkSync('/etc/target', path),
    (path) => symlinkSync('/proc/sys/kernel/ostype', path),
    (path) => symlinkSync(`${decoy.dir}/marker`, path),
    (path) => writeFileSync(path, 'SECRET'),
    (path) => execFileSync('mkfifo', [path]),
    (path) => execFileSync('mknod', [path, 'c', '1', '5']),
  ]
  for (const [index, make] of makers.entries()) {
    const bundle = await withBundle(t, {
      args: ['cat', '/proc/version'],
      populate(rootfs) {
        writeFileSync(`${rootfs}/etc/target`, 'SECRET')
        make(`${rootfs}/dev/null`)
      },
      configure(spec) {
        withoutMounts(spec, '/dev')
        spec.root.readonly = false
        spec.linux.maskedPaths = ['/proc/version']
      },
    })
    const before = lstatSync(`${bundle.rootfs}/dev/null`)
    const { stdout } = await bundle.tsrun('run', bundle.id)
    t.equal(stdout, '', `maker ${index}`)
    const after = lstatSync(`${bundle.rootfs}/dev/null`)
    t.same([after.mode, after.uid, after.ino], [before.mode, before.uid, before.ino])
    t.same(decoy.check(), [])
  }
})

t.test('T-19 sysctl keys do not lead elsewhere', { skip }, async (t) => {
  const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8')
  const bundle = await withBundle(t, { args: ['true'] })
  for (const [key, value] of [
    ['net.ipv4/../../kernel/core_pattern', 'x'],
    ['net/../kernel/core_pattern', 'x'],
    ['net/ipv4/../../kernel/core_pattern', 'x'],
    ['kernel.core_pattern', 'x'],
    ['/net/ipv4/ip_forward', '1'],
    ['net..ipv4.ip_forward', '1'],
    ['net.ipv4.ip_forward', '1\n2'],
    ['net.', '1'],
    ['', '1'],
  ] as const) {
    bundle.reconfigure((spec) => {
      spec.linux.sysctl = { [key]: value }
    })
    const { code } = await bundle.tsrun('run', bundle.id)
    t.equal(code, 1, `${key} = ${JSON.stringify(value)}`)
    t.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'), pattern)
  }
  const good = ['net/ipv4/conf/lo/forwarding', 'net.ipv4.conf.lo.forwarding']
  for (const key of good) {
    bundle.reconfigure((spec) => {
      spec.linux.sysctl = { [key]: '1' }
      spec.process.args = ['cat', '/proc/sys/net/ipv4/conf/lo/forwarding']
    })
    const { stdout, stderr } = await bundle.tsrun('run', bundle.id)
    t.equal(stdout, '1\n', stderr)
  }
})

t.test('T-26 the default configuration has no way to a release agent', { skip }, async (t) => {
  const script = `
    find /sys/fs/cgroup -name release_agent -writable
    find /sys/fs/cgroup -name cgroup.procs -writable
    touch /sys/fs/cgroup/x /sys/x 2>/dev/null && echo made
    cut -d" " -f5- /proc/self/mountinfo | grep -E "^/(sys|dev/shm|dev/mqueue)[/ ]" | grep -vE "nosuid,nodev,noexec"`
  const bundle = await withBundle(t, { args: ['sh', '-c', script] })
  t.equal((await bundle.tsrun('run', bundle.id)).stdout, '')
})

t.test('H-29 without pivot_root the host is out of sight, and masks hold', { skip }, async (t) => {
  const script = 'ls -d /../etc/host-marker /config.json; cat /proc/keys; cat /proc/1/mountinfo'
  const bundle = await withBundle(t, {
    args: ['sh', '-c', script],
    configure(spec) {
      spec.linux.maskedPaths = ['/proc/keys']
    },
  })
  for (const words of [['--no-pivot'], []]) {
    const { stdout } = await bundle.tsrun('run', ...words, bundle.id)
    const targets = stdout.split('\n').map((line) => line.split(' ')[4])
    t.notMatch(stdout, /host-marker|config\.json/)
    t.ok(targets.includes('/proc/keys'))
    t.notOk(targets.some((target) => target?.startsWith(bundle.dir)))
  }
})
