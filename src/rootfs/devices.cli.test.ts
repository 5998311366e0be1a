import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'
import { created, withoutMounts } from './testing.ts'

const skip = needsContainers()

function deviceOf(path: string): string {
  const found = lstatSync(path)
  const { mode, rdev, uid, gid } = found
  const type =
    (found.isCharacterDevice() && 'c') ||
    (found.isBlockDevice() && 'b') ||
    (found.isFIFO() && 'p') ||
    '?'
  const [major, minor] = [(rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & 0xfff00)]
  return `${type} ${major}:${minor} ${(mode & 0o7777).toString(8)} ${uid}:${gid}`
}

const DEFAULTS = {
  null: 'c 1:3 666 0:0',
  zero: 'c 1:5 666 0:0',
  full: 'c 1:7 666 0:0',
  random: 'c 1:8 666 0:0',
  urandom: 'c 1:9 666 0:0',
  tty: 'c 5:0 666 0:0',
}

t.test('default devices and links, whatever the umask', { skip }, async (t) => {
  const bundle = await withBundle(t)
  const { code } = await bundle.shell('umask 077; exec $TSRUN --root $ROOT create $ID')
  t.equal(code, 0)
  const dev = `/proc/${(await bundle.state()).pid}/root/dev`
  for (const [name, expected] of Object.entries(DEFAULTS))
    t.equal(deviceOf(`${dev}/${name}`), expected)
  t.equal(readlinkSync(`${dev}/fd`), '/proc/self/fd')
  t.equal(readlinkSync(`${dev}/stdin`), '/proc/self/fd/0')
  t.equal(readlinkSync(`${dev}/stdout`), '/proc/self/fd/1')
  t.equal(readlinkSync(`${dev}/stderr`), '/proc/self/fd/2')
  t.equal(readlinkSync(`${dev}/ptmx`), 'pts/ptmx')
})

t.test('configured devices of every type', { skip }, async (t) => {
  const { path } = await created(t, {
    configure(spec) {
      spec.root.readonly = false
      spec.linux.devices = [
        { type: 'c', path: '/dev/fuse', major: 10, minor: 229, fileMode: 0o620, uid: 7, gid: 8 },
        { type: 'u', path: '/dev/sub/dir/u', major: 1, minor: 5 },
        { type: 'b', path: '/dev/block', major: 7, minor: 300 },
        { type: 'p', path: '/run/pipe', fileMode: 0o640 },
        { type: 'c', path: '/dev/null', major: 1, minor: 3, fileMode: 0o600 },
        { type: 'c', path: '/dev/ptmx', major: 5, minor: 2 },
      ]
    },
  })
  t.equal(deviceOf(path('/dev/fuse')), 'c 10:229 620 7:8')
  t.equal(deviceOf(path('/dev/sub/dir/u')), 'c 1:5 666 0:0')
  t.equal(deviceOf(path('/dev/block')), 'b 7:300 666 0:0')
  t.equal(deviceOf(path('/run/pipe')), 'p 0:0 640 0:0')
  t.equal(deviceOf(path('/dev/null')), 'c 1:3 600 0:0')
  t.equal(readlinkSync(path('/dev/ptmx')), 'pts/ptmx')
  t.equal(statSync(path('/dev/sub/dir')).mode & 0o7777, 0o755)
})

t.test(
  'a node that is there already counts if it is the same device (M-060)',
  { skip },
  async (t) => {
    const device = { type: 'c' as const, path: '/opt/node', major: 1, minor: 5 }
    const cases: [(path: string) => void, number][] = [
      [(path) => execFileSync('mknod', [path, 'c', '1', '5']), 0],
      [(path) => execFileSync('mknod', [path, 'c', '1', '7']), 1],
      [(path) => execFileSync('mknod', [path, 'b', '1', '5']), 1],
      [(path) => writeFileSync(path, ''), 1],
      [(path) => mkdirSync(path), 1],
      [(path) => symlinkSync('/dev/zero', path), 1],
    ]
    for (const [make, expected] of cases) {
      const bundle = await withBundle(t, {
        populate(rootfs) {
          mkdirSync(`${rootfs}/opt`)
          make(`${rootfs}/opt/node`)
        },
        configure(spec) {
          spec.linux.devices = [device]
        },
      })
      const { code, stderr } = await bundle.tsrun('create', bundle.id)
      t.equal(code, expected, stderr)
      if (expected === 1) t.match(stderr, /\/opt\/node exists and is not the device 1:5/)
    }
  },
)

t.test('existing links in /dev stay, but for ptmx', { skip }, async (t) => {
  const { path } = await created(t, {
    populate(rootfs) {
      symlinkSync('/elsewhere', `${rootfs}/dev/stdin`)
      writeFileSync(`${rootfs}/dev/ptmx`, '')
    },
    configure: (spec) => withoutMounts(spec, '/dev'),
  })
  t.equal(readlinkSync(path('/dev/stdin')), '/elsewhere')
  t.equal(readlinkSync(path('/dev/ptmx')), 'pts/ptmx')
})

t.test('a bound /dev stays as it is', { skip }, async (t) => {
  const source = t.testdir({ only: '' })
  const { bundle, path } = await created(t, {
    configure(spec) {
      withoutMounts(spec, '/dev')
      spec.mounts.push({ destination: '/dev', source, options: ['bind'] })
      spec.linux.devices = [{ type: 'c', path: '/dev/zero', major: 1, minor: 5 }]
    },
  })
  t.throws(() => lstatSync(path('/dev/zero')), { code: 'ENOENT' })
  t.throws(() => lstatSync(path('/dev/fd')), { code: 'ENOENT' })
  t.throws(() => lstatSync(`${bundle.rootfs}/dev/zero`), { code: 'ENOENT' })
})
