/** T-02, T-13, T-14: links of the image and of neighbours do not lead out of the root. */
import { spawn } from 'node:child_process'
import { lstatSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { makeDecoy, withoutMounts } from '../rootfs/testing.ts'
import { withBundle } from '../testing/bundle.ts'
import { mountsBelow } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

/** The same place: absolute, and by climbing. */
function waysTo(dir: string): string[] {
  return [dir, `../../../../../../../../..${dir}`]
}

t.test('T-02 mounts, devices and the working directory stay inside', { skip }, async (t) => {
  const decoy = makeDecoy(t.testdir())
  for (const target of waysTo(decoy.dir)) {
    const bundle = await withBundle(t, {
      args: ['true'],
      populate: (rootfs) => symlinkSync(target, `${rootfs}/data`),
      configure(spec) {
        spec.root.readonly = false
        spec.process.cwd = '/data/new'
        spec.mounts.push(
          { destination: '/data/x', source: '/etc/passwd', options: ['bind'] },
          { destination: '/data/y', type: 'tmpfs' },
        )
        spec.linux.devices = [{ type: 'c', path: '/data/dev0', major: 1, minor: 3 }]
      },
    })
    const { code, stderr } = await bundle.tsrun('run', bundle.id)
    t.equal(code, 0, stderr)
    const inside = `${bundle.rootfs}${decoy.dir}`
    t.ok(statSync(`${inside}/x`).isFile())
    t.ok(statSync(`${inside}/y`).isDirectory())
    t.ok(lstatSync(`${inside}/dev0`).isCharacterDevice())
    t.ok(statSync(`${inside}/new`).isDirectory())
    t.same(decoy.check(), [])
    t.same(mountsBelow(decoy.dir), [])
  }
})

t.test('T-13 a /dev that leads elsewhere is filled inside', { skip }, async (t) => {
  const decoy = makeDecoy(t.testdir())
  for (const target of waysTo(decoy.dir)) {
    const bundle = await withBundle(t, {
      args: ['true'],
      populate(rootfs) {
        rmSync(`${rootfs}/dev`, { recursive: true })
        symlinkSync(target, `${rootfs}/dev`)
      },
      configure(spec) {
        withoutMounts(spec, '/dev')
        spec.root.readonly = false
      },
    })
    for (const commands of [['run'], ['create', 'start']]) {
      for (const command of commands) await bundle.tsrun(command, bundle.id)
      await bundle.tsrun('delete', '-f', bundle.id)
      t.same(decoy.check(), [], `${commands} with ${target}`)
    }
    t.ok(lstatSync(`${bundle.rootfs}${decoy.dir}/null`).isCharacterDevice())
  }
})

t.test('T-13 links below /dev stay inside', { skip }, async (t) => {
  const decoy = makeDecoy(t.testdir())
  const bundle = await withBundle(t, {
    args: ['true'],
    populate(rootfs) {
      for (const name of ['pts', 'shm', 'mqueue']) symlinkSync(decoy.dir, `${rootfs}/dev/${name}`)
    },
    configure(spec) {
      spec.mounts = spec.mounts.filter(({ destination }) => destination !== '/dev')
    },
  })
  t.equal((await bundle.tsrun('run', bundle.id)).code, 0)
  t.same(decoy.check(), [])
  t.same(mountsBelow(decoy.dir), [])
})

t.test('T-14 nothing that tsrun makes in a root follows a link out of it', { skip }, async (t) => {
  const decoy = makeDecoy(t.testdir())
  const names = [
    'null',
    'zero',
    'full',
    'random',
    'urandom',
    'tty',
    'fd',
    'stdin',
    'stdout',
    'stderr',
  ]
  for (const name of [...names, 'core', 'ptmx', 'console']) {
    const bundle = await withBundle(t, {
      args: ['true'],
      populate: (rootfs) => symlinkSync(`${decoy.dir}/${name}`, `${rootfs}/dev/${name}`),
      configure(spec) {
        withoutMounts(spec, '/dev')
        spec.root.readonly = false
      },
    })
    await bundle.tsrun('run', bundle.id)
    t.same(decoy.check(), [], name)
  }
})

/** Exchanges two names for ever. Node has no renameat2, so this is Python. */
const EXCHANGE = `
import ctypes, sys
libc = ctypes.CDLL(None)
a, b = sys.argv[1].encode(), sys.argv[2].encode()
while True: libc.renameat2(-100, a, -100, b, 2)`

t.test(
  'T-02 a neighbour that exchanges directory and link wins nothing',
  {
    skip: needsContainers('python3'),
  },
  async (t) => {
    const decoy = makeDecoy(t.testdir())
    const bundle = await withBundle(t, { args: ['true'] })
    const volume = `${bundle.dir}/volume`
    mkdirSync(`${volume}/a/sub`, { recursive: true })
    writeFileSync(`${volume}/a/file`, '')
    symlinkSync(decoy.dir, `${volume}/b`)
    bundle.reconfigure((spec) => {
      const bind = ['bind']
      spec.process.cwd = '/volume/a/cwd'
      spec.mounts.push(
        { destination: '/volume', source: volume, options: bind },
        { destination: '/volume/a/sub', type: 'tmpfs' },
        { destination: '/volume/a/made/deep', type: 'tmpfs' },
        { destination: '/volume/a/file', source: '/etc/passwd', options: bind },
        { destination: '/volume/b/inner', source: volume, options: bind },
      )
      spec.linux.devices = [{ type: 'c', path: '/volume/a/node', major: 1, minor: 3, uid: 7 }]
      spec.linux.maskedPaths = ['/volume/a/marker', '/volume/a/inner']
      spec.linux.readonlyPaths = ['/volume/b/inner']
    })
    const racer = spawn('python3', ['-c', EXCHANGE, `${volume}/a`, `${volume}/b`])
    const ended = new Promise((done) => racer.once('exit', done))
    let finished = 0
    try {
      const until = performance.now() + 12_000
      while (performance.now() < until) {
        if ((await bundle.tsrun('run', bundle.id)).code === 0) finished++
      }
    } finally {
      racer.kill('SIGKILL')
      await ended
    }
    t.same(decoy.check(), [])
    t.same(mountsBelow(decoy.dir), [])
    t.comment(`${finished} containers ran to their end`)
  },
)
