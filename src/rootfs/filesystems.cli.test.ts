import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { release } from 'node:os'
import t from 'tap'
import { type TestSpec, withBundle } from '../testing/bundle.ts'
import { needs, needsContainers } from '../testing/needs.ts'
import { create, created, mounting, withoutMounts } from './testing.ts'

const skip = needsContainers()

t.test('mounts what the default configuration has', { skip }, async (t) => {
  const { at } = await created(t)
  const expected = {
    '/proc': ['proc', 'rw', 'relatime'],
    '/dev': ['tmpfs', 'rw', 'nosuid'],
    '/dev/pts': ['devpts', 'rw', 'nosuid', 'noexec', 'relatime'],
    '/dev/shm': ['tmpfs', 'rw', 'nosuid', 'nodev', 'noexec', 'relatime'],
    '/dev/mqueue': ['mqueue', 'rw', 'nosuid', 'nodev', 'noexec', 'relatime'],
    '/sys': ['sysfs', 'ro', 'nosuid', 'nodev', 'noexec', 'relatime'],
  }
  for (const [target, [type, ...options]] of Object.entries(expected)) {
    t.match(at(target), { type, options }, target)
  }
  t.ok(at('/dev/shm').superOptions.includes('size=65536k'))
  t.ok(at('/dev/pts').superOptions.includes('gid=5'))
  t.ok(at('/').options.includes('ro'), 'root.readonly')
})

t.test('a tmpfs takes the mode of what it covers', { skip }, async (t) => {
  const { at, bundle, path } = await created(t, {
    populate(rootfs) {
      for (const name of ['kept', 'given']) mkdirSync(`${rootfs}/${name}`)
      chmodSync(`${rootfs}/kept`, 0o1710)
      chmodSync(`${rootfs}/given`, 0o700)
    },
    configure: mounting(
      { destination: '/kept', type: 'tmpfs' },
      { destination: '/given', type: 'tmpfs', options: ['mode=0751'] },
      { destination: '/new/one', type: 'tmpfs' },
    ),
  })
  t.ok(at('/kept').superOptions.includes('mode=1710'))
  t.equal(statSync(path('/kept')).mode & 0o7777, 0o1710)
  t.equal(statSync(path('/given')).mode & 0o7777, 0o751)
  t.equal(statSync(path('/new/one')).mode & 0o7777, 0o1777)
  t.notOk(at('/new/one').superOptions.some((word) => word.startsWith('mode=')))
  t.equal(statSync(`${bundle.rootfs}/given`).mode & 0o777, 0o700)
  t.equal(statSync(`${bundle.rootfs}/new/one`).mode & 0o777, 0o755)
})

t.test('a read-only tmpfs and /dev get what belongs in them first', { skip }, async (t) => {
  const { at, path } = await created(t, {
    configure(spec) {
      spec.process.cwd = '/data/work'
      spec.linux.devices = [{ type: 'p', path: '/data/fifo' }]
      spec.mounts.push({ destination: '/data', type: 'tmpfs', options: ['ro', 'noexec'] })
      for (const mount of spec.mounts) if (mount.destination === '/dev') mount.options?.push('ro')
    },
  })
  t.match(at('/data').options, ['ro', 'noexec'])
  t.ok(at('/dev').options.includes('ro'))
  t.ok(statSync(path('/data/work')).isDirectory())
  t.ok(statSync(path('/data/fifo')).isFIFO())
  t.ok(statSync(path('/dev/null')).isCharacterDevice())
  t.equal(readlinkSync(path('/dev/ptmx')), 'pts/ptmx')
})

t.test('knows every word that the specification lists', { skip }, async (t) => {
  const words =
    'defaults async sync dirsync atime noatime dev nodev diratime nodiratime exec noexec iversion ' +
    'noiversion lazytime nolazytime loud silent mand nomand relatime norelatime strictatime ' +
    'nostrictatime suid nosuid symfollow nosymfollow ro rw private rprivate shared rshared slave ' +
    'rslave rro rrw rnosuid rsuid rnodev rdev rnoexec rexec rnodiratime rdiratime rnosymfollow ' +
    'rsymfollow ratime rnoatime rrelatime rnorelatime rstrictatime rnostrictatime unbindable ' +
    'runbindable tmpcopyup'
  const { at } = await created(t, {
    configure: mounting(
      ...words
        .split(' ')
        .map((word) => ({ destination: `/w/${word}`, type: 'tmpfs', options: [word] })),
    ),
  })
  const has = (word: string) => t.ok(at(`/w/${word}`).options.includes(word), word)
  for (const word of ['noatime', 'nodev', 'nodiratime', 'noexec', 'nosuid', 'nosymfollow', 'ro']) {
    has(word)
  }
  t.ok(at('/w/sync').superOptions.includes('sync'))
  t.ok(at('/w/lazytime').superOptions.includes('lazytime'))
  t.match(at('/w/shared').propagation[0], /^shared:/)
  t.same(at('/w/runbindable').propagation, ['unbindable'])
  t.ok(at('/w/rnoatime').options.includes('noatime'))
})

t.test('takes several options in one string, and makes them in order', { skip }, async (t) => {
  const { at, mounts } = await created(t, {
    configure: mounting(
      { destination: '/a', type: 'tmpfs', options: ['nosuid,size=64k,mode=700', 'noexec'] },
      { destination: '/b', type: 'tmpfs', options: ['shared', 'private'] },
      { destination: '/c', type: 'tmpfs', options: ['private', 'shared', 'slave', 'shared'] },
    ),
  })
  t.match(at('/a').options, ['rw', 'nosuid', 'noexec'])
  t.match(at('/a').superOptions.join(), /size=64k.*mode=700/)
  t.same(at('/b').propagation, [])
  t.match(at('/c').propagation.join(), /^shared:\d+$/)
  t.ok(mounts.length > 5)
})

t.test('remounts', { skip }, async (t) => {
  const { at } = await created(t, {
    configure: mounting(
      { destination: '/a', type: 'tmpfs', source: 'one', options: ['size=64k'] },
      { destination: '/a', type: 'tmpfs', options: ['remount', 'ro', 'size=128k'] },
    ),
  })
  t.match(at('/a'), { source: 'one', options: ['ro'] })
  t.match(at('/a').superOptions, ['ro', 'size=128k'])
})

t.test('tmpcopyup copies whatever is there', { skip }, async (t) => {
  const { bundle, path } = await created(t, {
    populate(rootfs) {
      mkdirSync(`${rootfs}/data/sub/deep`, { recursive: true })
      writeFileSync(`${rootfs}/data/file`, 'x'.repeat(200_000))
      chmodSync(`${rootfs}/data/file`, 0o4755)
      chownSync(`${rootfs}/data/file`, 7, 8)
      chmodSync(`${rootfs}/data/file`, 0o4755)
      linkSync(`${rootfs}/data/file`, `${rootfs}/data/sub/again`)
      symlinkSync('/absolute/nowhere', `${rootfs}/data/sub/link`)
      execFileSync('mkfifo', ['-m', '640', `${rootfs}/data/sub/fifo`])
      execFileSync('mknod', [`${rootfs}/data/sub/node`, 'c', '1', '5'])
      writeFileSync(`${rootfs}/data/sub/deep/inner`, 'text')
      chmodSync(`${rootfs}/data/sub`, 0o2750)
      chmodSync(`${rootfs}/data`, 0o777)
    },
    configure: mounting({ destination: '/data', type: 'tmpfs', options: ['tmpcopyup', 'ro'] }),
  })
  const original = `${bundle.rootfs}/data`
  for (const name of ['', 'file', 'sub', 'sub/again', 'sub/link', 'sub/fifo', 'sub/node']) {
    const wanted = lstatSync(`${original}/${name}`)
    const found = lstatSync(path(`/data/${name}`))
    t.same(
      [found.mode, found.uid, found.gid, found.rdev],
      [wanted.mode, wanted.uid, wanted.gid, wanted.rdev],
      name,
    )
  }
  t.equal(lstatSync(path('/data/file')).ino, lstatSync(path('/data/sub/again')).ino)
  t.equal(lstatSync(path('/data/file')).nlink, 2)
  t.equal(readFileSync(path('/data/file'), 'utf8').length, 200_000)
  t.equal(readFileSync(path('/data/sub/deep/inner'), 'utf8'), 'text')
  t.equal(readlinkSync(path('/data/sub/link')), '/absolute/nowhere')
})

t.test('tmpcopyup copies names that are not UTF-8', { skip }, async (t) => {
  const odd = Buffer.from([0x61, 0xff, 0xfe])
  const { path } = await created(t, {
    populate(rootfs) {
      const inside = (...name: Uint8Array[]) =>
        Buffer.concat([Buffer.from(`${rootfs}/data/`), ...name])
      mkdirSync(inside(odd), { recursive: true })
      writeFileSync(inside(odd, Buffer.from('/file-'), odd), 'text')
      symlinkSync(odd, inside(Buffer.from('link')))
    },
    configure: mounting({ destination: '/data', type: 'tmpfs', options: ['tmpcopyup'] }),
  })
  const inside = (...name: Uint8Array[]) => Buffer.concat([Buffer.from(path('/data/')), ...name])
  t.equal(readFileSync(inside(odd, Buffer.from('/file-'), odd), 'utf8'), 'text')
  t.same(readlinkSync(inside(Buffer.from('link')), { encoding: 'buffer' }), odd)
})

t.test(
  'tmpcopyup copies extended attributes',
  {
    skip: needsContainers('command setfattr', 'command getfattr'),
  },
  async (t) => {
    const { path } = await created(t, {
      populate(rootfs) {
        mkdirSync(`${rootfs}/data`)
        writeFileSync(`${rootfs}/data/file`, '')
        execFileSync('setfattr', ['-n', 'trusted.note', '-v', 'text', `${rootfs}/data/file`])
      },
      configure: mounting({ destination: '/data', type: 'tmpfs', options: ['tmpcopyup'] }),
    })
    const shown = execFileSync('getfattr', ['-n', 'trusted.note', path('/data/file')])
    t.match(shown.toString(), /trusted\.note="text"/)
  },
)

t.test('tmpcopyup that does not fit is an error', { skip }, async (t) => {
  const bundle = await withBundle(t, {
    populate(rootfs) {
      mkdirSync(`${rootfs}/data`)
      writeFileSync(`${rootfs}/data/file`, 'x'.repeat(1 << 20))
    },
    configure: mounting({
      destination: '/data',
      type: 'tmpfs',
      options: ['tmpcopyup', 'size=64k'],
    }),
  })
  const { code, stderr } = await bundle.tsrun('create', bundle.id)
  t.equal(code, 1)
  t.match(stderr, /no space left on device/)
})

t.test('overlay with more layers than fit into one option', { skip }, async (t) => {
  const bundle = await withBundle(t)
  const [major = 0, minor = 0] = release().split('.').map(Number)
  // without options for single layers, 60 do not fit into the page that mount(2) takes
  const hasLayerOptions = major > 6 || (major === 6 && minor >= 8)
  for (const count of [2, 20, 60]) {
    const layers = Array.from({ length: count }, (_, i) => {
      const layer = `${bundle.dir}/layers/${'long'.repeat(20)}${count}-${i}`
      mkdirSync(layer, { recursive: true })
      writeFileSync(`${layer}/file${i}`, `${i}`)
      return layer
    })
    bundle.reconfigure(
      mounting({
        destination: '/o',
        type: 'overlay',
        source: 'overlay',
        options: [`lowerdir=${layers.join(':')}`, 'ro'],
      }),
    )
    if (count === 60 && !hasLayerOptions) {
      const stderr = /mount overlay on .*: argument list too long/
      t.match(await bundle.tsrun('create', bundle.id), { code: 1, stderr })
      continue
    }
    const { at, path } = await create(bundle)
    t.equal(at('/o').type, 'overlay')
    t.equal(readdirSync(path('/o')).length, count)
    await bundle.tsrun('delete', '-f', bundle.id)
  }
})

t.test(
  'cgroups are read-only everywhere when that is asked for',
  {
    skip: needsContainers('cgroup v1'),
  },
  async (t) => {
    for (const type of ['cgroup', 'none'] as const) {
      const { mounts, bundle } = await created(t, {
        configure(spec) {
          if (type === 'none') {
            spec.linux.namespaces = spec.linux.namespaces.filter((n) => n.type !== 'cgroup')
          } else if (!spec.linux.namespaces.some((n) => n.type === 'cgroup')) {
            spec.linux.namespaces.push({ type })
          }
        },
      })
      const below = mounts.filter(({ target }) => `${target}/`.startsWith('/sys/fs/cgroup/'))
      t.ok(below.length > 3)
      for (const { target, options, root } of below) {
        t.match(options, ['ro', 'nosuid', 'nodev', 'noexec', 'relatime'], target)
        if (target === '/sys/fs/cgroup') continue
        t.match(
          root,
          new RegExp(`/${bundle.id}$`),
          `${target} shows no more than the container's own`,
        )
      }
    }
  },
)

t.test(
  'cgroup v2 is one hierarchy, the whole of it without a namespace',
  { skip: needsContainers('cgroup v2') },
  async (t) => {
    for (const isPrivate of [true, false]) {
      for (const options of [
        ['ro', 'nosuid', 'nodev', 'noexec'],
        ['nosuid', 'nodev', 'noexec'],
      ]) {
        const { at, path, bundle } = await created(t, {
          configure(spec) {
            withoutMounts(spec, '/sys/fs/cgroup')
            spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'cgroup')
            if (isPrivate) spec.linux.namespaces.push({ type: 'cgroup' })
            spec.mounts.push({ destination: '/sys/fs/cgroup', type: 'cgroup', options })
          },
        })
        const mounted = at('/sys/fs/cgroup')
        t.equal(mounted.type, 'cgroup2')
        const access = options[0] === 'ro' ? 'ro' : 'rw'
        t.match(mounted.options, [access, 'nosuid', 'nodev', 'noexec', 'relatime'])
        t.equal(mounted.root.endsWith(bundle.id), isPrivate)
        // the root of the host's hierarchy has no limits, and so no such file
        const files = readdirSync(path('/sys/fs/cgroup'))
        t.equal(files.includes('cgroup.freeze'), isPrivate)
      }
    }
  },
)

t.test(
  'cgroup hierarchies are writable when nobody asks for ro',
  {
    skip: needsContainers('cgroup v1'),
  },
  async (t) => {
    const { mounts } = await created(t, {
      configure(spec) {
        withoutMounts(spec, '/sys/fs/cgroup')
        const options = ['nosuid', 'noexec', 'rslave']
        spec.mounts.push({ destination: '/sys/fs/cgroup', type: 'cgroup', options })
      },
    })
    const below = mounts.filter(({ target }) => target.startsWith('/sys/fs/cgroup/'))
    t.ok(below.length > 3)
    t.ok(below.every(({ options }) => options.includes('rw') && options.includes('noexec')))
  },
)

t.test('a procfs may be bound on /proc, other things may not', { skip }, async (t) => {
  const bundle = await withBundle(t, { configure: (spec) => withoutMounts(spec, '/proc') })
  const bind = (source: string) => (spec: TestSpec) => {
    withoutMounts(spec, '/proc')
    spec.mounts.unshift({ destination: '/proc', source, options: ['rbind'] })
  }
  bundle.reconfigure(bind('/proc'))
  t.equal((await create(bundle)).at('/proc').type, 'proc')
  await bundle.tsrun('delete', '-f', bundle.id)
  bundle.reconfigure(bind('/tmp'))
  const { code, stderr } = await bundle.tsrun('create', bundle.id)
  t.equal(code, 1)
  t.match(stderr, /\/proc\\" cannot be mounted because it is not of type proc/)
})

t.test('a root that shall stay writable is', { skip: skip || needs('root') }, async (t) => {
  const { at } = await created(t, {
    configure: (spec) => {
      spec.root.readonly = false
    },
  })
  t.ok(at('/').options.includes('rw'))
})
