import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { type TestBundle, withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'
import { create, created, mounting } from './testing.ts'

const skip = needsContainers()

/** Mounts a tmpfs on the host for as long as the test takes. */
function hostTmpfs(t: Test, dir: string, options = 'rw'): void {
  mkdirSync(dir, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir])
  t.teardown(() => execFileSync('umount', ['-l', dir]))
}

/** Creates, with a new configuration, and deletes again. */
async function mountsWith(bundle: TestBundle, ...mounts: Parameters<typeof mounting>) {
  bundle.reconfigure(mounting(...mounts))
  const container = await create(bundle)
  await bundle.tsrun('delete', '-f', bundle.id)
  return container
}

t.test('binds files and directories, made if missing', { skip }, async (t) => {
  const bundle = await withBundle(t)
  const volume = `${bundle.dir}/volume`
  mkdirSync(`${volume}/sub`, { recursive: true })
  writeFileSync(`${volume}/file`, 'text')
  bundle.reconfigure(
    mounting(
      { destination: '/new/dir', source: volume, type: 'none', options: ['bind'] },
      { destination: '/new/file', source: `${volume}/file`, options: ['bind', 'ro'] },
      { destination: 'relative/', source: 'volume/sub', options: ['bind'] },
    ),
  )
  const { at, path } = await create(bundle)
  t.equal(readFileSync(path('/new/dir/file'), 'utf8'), 'text')
  t.equal(readFileSync(path('/new/file'), 'utf8'), 'text')
  t.ok(at('/new/file').options.includes('ro'))
  t.ok(at('/relative').root.endsWith('/volume/sub'))
  t.equal(statSync(`${bundle.rootfs}/new`).mode & 0o7777, 0o755)
  t.equal(statSync(`${bundle.rootfs}/new/file`).mode & 0o7777, 0o644)
})

t.test('takes a destination that names the root file system on the host', { skip }, async (t) => {
  const bundle = await withBundle(t)
  mkdirSync(`${bundle.dir}/volume`)
  const { at } = await mountsWith(bundle, {
    destination: `${bundle.rootfs}/mnt`,
    source: 'volume',
    options: ['bind'],
  })
  t.ok(at('/mnt').root.endsWith('/volume'))
})

t.test('takes submounts along only with rbind', { skip }, async (t) => {
  const bundle = await withBundle(t)
  hostTmpfs(t, `${bundle.dir}/volume`)
  hostTmpfs(t, `${bundle.dir}/volume/sub`)
  const source = `${bundle.dir}/volume`
  const bound = await mountsWith(bundle, { destination: '/v', source, options: ['bind'] })
  t.same(targets(bound.mounts), ['/v'])
  const all = await mountsWith(bundle, { destination: '/v', source, options: ['rbind', 'ro'] })
  t.same(targets(all.mounts), ['/v', '/v/sub'])
  t.ok(all.at('/v').options.includes('ro'))
  t.ok(all.at('/v/sub').options.includes('rw'), 'ro is of the top alone')
})

function targets(mounts: readonly { target: string }[]): string[] {
  return mounts.map(({ target }) => target).filter((target) => /^\/v(\/|$)/.test(target))
}

t.test('sets recursive attributes on the whole tree', { skip }, async (t) => {
  const bundle = await withBundle(t)
  hostTmpfs(t, `${bundle.dir}/volume`, 'strictatime,nodev')
  hostTmpfs(t, `${bundle.dir}/volume/sub`, 'strictatime')
  const source = `${bundle.dir}/volume`
  const cases: [string[], string[], string[]][] = [
    [['rro'], ['ro'], []],
    [['ro', 'rro'], ['ro'], []],
    [['rnosuid', 'rnoexec'], ['nosuid', 'noexec'], []],
    [['rdev'], [], ['nodev']],
    [['rnoatime'], ['noatime'], ['relatime']],
    [['ratime'], ['relatime'], ['noatime']],
    [['rrelatime'], ['relatime'], []],
    [['rnostrictatime'], ['relatime'], []],
    [['rstrictatime'], [], ['relatime', 'noatime']],
    [['rnodiratime'], ['nodiratime'], []],
    [['rnosymfollow'], ['nosymfollow'], []],
  ]
  for (const [words, present, absent] of cases) {
    const options = ['rbind', ...words]
    const { at } = await mountsWith(bundle, { destination: '/v', source, options })
    for (const target of ['/v', '/v/sub']) {
      const found = at(target).options
      t.same(
        present.filter((word) => !found.includes(word)),
        [],
        `${words} on ${target}`,
      )
      t.same(
        absent.filter((word) => found.includes(word)),
        [],
        `${words} on ${target}`,
      )
    }
  }
})

t.test('keeps or replaces the flags of the source as runc does', { skip }, async (t) => {
  const bundle = await withBundle(t)
  const cases: [source: string, words: string[], result: string][] = [
    ['ro,noexec,nodiratime', [], 'ro,noexec,nodiratime,relatime'],
    ['ro,noexec,nodiratime', ['dev'], 'rw,nodiratime,relatime'],
    ['ro', ['nosuid', 'nodev'], 'rw,nosuid,nodev,relatime'],
    ['ro', ['rw'], 'rw,relatime'],
    ['nosuid,nodev,noexec,noatime', ['dev', 'suid', 'exec', 'atime'], 'rw,noatime'],
    ['nodev,nosuid,noexec', ['ro'], 'ro,relatime'],
    ['rw,nodev,nosymfollow', ['ro', 'symfollow'], 'ro,relatime'],
    ['nodev,nosuid,noatime', ['ro', 'exec'], 'ro,noatime'],
    ['noatime', ['strictatime'], 'rw'],
    ['noatime', ['nodiratime'], 'rw,nodiratime,relatime'],
    ['nosuid', ['remount', 'ro'], 'ro,nosuid,relatime'],
  ]
  for (const [index, [flags, words, result]] of cases.entries()) {
    const source = `${bundle.dir}/volume${index}`
    hostTmpfs(t, source)
    execFileSync('mount', ['-o', `remount,bind,${flags}`, source])
    const options = ['bind', ...words]
    const { at } = await mountsWith(bundle, { destination: '/v', source, options })
    t.same(new Set(at('/v').options), new Set(result.split(',')), `${flags} then ${words}`)
  }
})

t.test('resolves links of the destination inside the root', { skip }, async (t) => {
  const { bundle, at } = await created(t, {
    populate(rootfs) {
      mkdirSync(`${rootfs}/real`)
      symlinkSync('/real', `${rootfs}/link`)
      symlinkSync('/not/there', `${rootfs}/dangling`)
      symlinkSync('missing-file', `${rootfs}/real/dangling-file`)
      symlinkSync('../../../../up', `${rootfs}/climbing`)
    },
    configure: mounting(
      { destination: '/link/a', type: 'tmpfs', source: 'a' },
      { destination: '/dangling', type: 'tmpfs', source: 'b' },
      { destination: '/link/dangling-file', source: '/etc/passwd', options: ['bind'] },
      { destination: '/climbing/c', type: 'tmpfs', source: 'c' },
    ),
  })
  t.equal(at('/real/a').source, 'a')
  t.equal(at('/not/there').source, 'b')
  t.match(at('/real/missing-file').root, /passwd$/)
  t.equal(at('/up/c').source, 'c')
  t.ok(statSync(`${bundle.rootfs}/not/there`).isDirectory())
  t.ok(statSync(`${bundle.rootfs}/real/missing-file`).isFile())
})

t.test('mounts in listed order, also from what was mounted before', { skip }, async (t) => {
  const bundle = await withBundle(t)
  const { at } = await mountsWith(
    bundle,
    { destination: '/a', type: 'tmpfs', source: 'first' },
    { destination: '/a/b', type: 'tmpfs', source: 'second' },
    { destination: '/copy', source: `${bundle.rootfs}/a`, options: ['rbind'] },
  )
  t.equal(at('/copy').source, 'first')
  t.equal(at('/copy/b').source, 'second')
})

t.test('gives made directories the setgid bit of their parent', { skip }, async (t) => {
  const { bundle } = await created(t, {
    populate: (rootfs) => {
      mkdirSync(`${rootfs}/shared`)
      execFileSync('chmod', ['2775', `${rootfs}/shared`])
    },
    configure: mounting({ destination: '/shared/a/b', type: 'tmpfs' }),
  })
  t.equal(statSync(`${bundle.rootfs}/shared/a`).mode & 0o7777, 0o2755)
  t.equal(statSync(`${bundle.rootfs}/shared`).mode & 0o7777, 0o2775)
})

t.test('refuses what cannot be mounted', { skip }, async (t) => {
  const bundle = await withBundle(t, {
    populate: (rootfs) => symlinkSync('/', `${rootfs}/top`),
  })
  const cases: [Parameters<typeof mounting>[0], RegExp][] = [
    [{ destination: '/', type: 'tmpfs' }, /is on the top of rootfs/],
    [{ destination: '/top', type: 'tmpfs' }, /is on the top of rootfs/],
    [{ destination: '/x', source: '/no/such', options: ['bind'] }, /no such file or directory/],
    [{ destination: '/x', type: 'no-such-fs' }, /error mounting \\"no-such-fs\\".*no such device/],
    [{ destination: '/x', type: 'tmpfs', options: ['bogus=1'] }, /invalid argument/],
    [{ destination: '/bin/busybox', type: 'tmpfs' }, /not a directory/],
    [{ destination: '/bin', source: '/etc/passwd', options: ['bind'] }, /not a directory/],
    [{ destination: '/bin/busybox/x', type: 'tmpfs' }, /not a directory/],
  ]
  for (const [mount, message] of cases) {
    bundle.reconfigure(mounting(mount))
    const { code, stderr } = await bundle.tsrun('create', bundle.id)
    t.equal(code, 1, JSON.stringify(mount))
    t.match(stderr, message)
  }
})
