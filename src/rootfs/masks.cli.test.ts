import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'
import { created } from './testing.ts'

const skip = needsContainers()

function populate(rootfs: string): void {
  for (const name of ['one', 'two', 'open/below'])
    mkdirSync(`${rootfs}/m/${name}`, { recursive: true })
  for (const name of ['file', 'one/inner', 'open/file'])
    writeFileSync(`${rootfs}/m/${name}`, 'SECRET')
  symlinkSync('/m/file', `${rootfs}/m/link`)
  symlinkSync('/m/missing', `${rootfs}/m/dangling`)
}

t.test('masked paths are hidden', { skip }, async (t) => {
  const { path, mounts } = await created(t, {
    populate,
    configure(spec) {
      spec.root.readonly = false
      const names = [
        'file',
        'one',
        'two',
        'missing',
        'one',
        '/file',
        'link',
        'dangling',
        'one/inner',
      ]
      spec.linux.maskedPaths = names.map((name) => `/m/${name}`)
    },
  })
  t.equal(readFileSync(path('/m/file'), 'utf8'), '')
  t.ok(statSync(path('/m/file')).isCharacterDevice())
  t.same(readdirSync(path('/m/one')), [])
  t.same(readdirSync(path('/m/two')), [])
  t.equal(statSync(path('/m/one')).dev, statSync(path('/m/two')).dev, 'one tmpfs for all')
  const masks = mounts.filter(({ target }) => target.startsWith('/m/'))
  t.same(
    masks.map(({ target }) => target),
    ['/m/file', '/m/one', '/m/two'],
    'each once, and nothing for what is missing',
  )
  t.ok(masks.every(({ options }) => options.includes('ro')))
})

t.test('masks cannot be removed, written or changed from inside', { skip }, async (t) => {
  const null0 = statSync('/dev/null')
  const script = `
    cat /m/file; ls /m/one
    touch /m/one/x && echo "made a file"
    rm -f /m/file && echo "removed a file"
    umount /m/file && echo "unmounted a file"
    umount /m/one && echo "unmounted a directory"
    chmod 600 /m/file && echo "changed the mode"
    chown 1:1 /m/file && echo "changed the owner"
    echo still here >/m/file && cat /m/file
    true`
  const bundle = await withBundle(t, {
    args: ['sh', '-c', script],
    populate,
    configure(spec) {
      spec.root.readonly = false
      spec.linux.maskedPaths = ['/m/file', '/m/one']
      const names = ['CAP_CHOWN', 'CAP_FOWNER', 'CAP_DAC_OVERRIDE']
      spec.process.capabilities = { bounding: names, effective: names, permitted: names }
    },
  })
  const { code, stdout, stderr } = await bundle.tsrun('run', bundle.id)
  t.equal(code, 0)
  t.equal(stdout, '')
  t.match(stderr, /Read-only file system/)
  const now = statSync('/dev/null')
  t.same([now.mode, now.uid, now.gid], [null0.mode, null0.uid, null0.gid], 'the host has its own')
})

t.test("masks do not depend on the container's /dev/null", { skip }, async (t) => {
  const { path } = await created(t, {
    populate(rootfs) {
      populate(rootfs)
    },
    configure(spec) {
      spec.mounts.push({ destination: '/dev/null', source: '/m/open/file', options: ['bind'] })
      const last = spec.mounts.at(-1)
      if (last) last.source = 'rootfs/m/open/file'
      spec.linux.devices = []
      spec.mounts.push({ destination: '/dev', source: '/dev', options: ['bind', 'ro'] })
      spec.linux.maskedPaths = ['/m/file']
    },
  })
  t.ok(statSync(path('/m/file')).isCharacterDevice())
})

t.test('read-only paths are closed with all below them', { skip }, async (t) => {
  const { bundle, at, mounts } = await created(t, {
    populate(rootfs) {
      populate(rootfs)
      chmodSync(`${rootfs}/m/open`, 0o777)
    },
    configure(spec) {
      spec.root.readonly = false
      spec.mounts.push({
        destination: '/m/open/below',
        type: 'tmpfs',
        options: ['noexec', 'nosuid'],
      })
      spec.linux.readonlyPaths = ['/m/open', '/m/file', '/m/missing', '/m/open/below']
    },
  })
  t.ok(at('/m/open').options.includes('ro'))
  t.ok(at('/m/file').options.includes('ro'))
  t.match(at('/m/open/below').options, ['ro', 'nosuid', 'noexec'])
  t.notOk(mounts.some(({ target }) => target.includes('missing')))
  t.equal(readFileSync(`${bundle.rootfs}/m/file`, 'utf8'), 'SECRET')
})

t.test('masks work on a read-only root and over read-only paths', { skip }, async (t) => {
  const { path, at } = await created(t, {
    populate,
    configure(spec) {
      spec.linux.readonlyPaths = ['/m']
      spec.linux.maskedPaths = ['/m/file', '/m/one', '/proc/sys']
    },
  })
  t.equal(readFileSync(path('/m/file'), 'utf8'), '')
  t.same(readdirSync(path('/proc/sys')), [])
  t.ok(at('/').options.includes('ro'))
})
