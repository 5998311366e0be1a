import {
  chmodSync,
  fstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import t, { type Test } from 'tap'
import { foregroundGroup, terminalSize } from '../sys/terminal.ts'
import { leftovers, type TestBundle, withBundle } from '../testing/bundle.ts'
import { mountsOf } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import {
  ConsoleSocket,
  FIRST_PTY,
  runAtTerminal,
  Screen,
  scripted,
  terminalOf,
} from '../testing/terminal.ts'

const skip = needsContainers()

async function createWithSocket(t: Test, b: TestBundle): Promise<Screen> {
  const socket = new ConsoleSocket(t, `${b.dir}/sock`)
  t.same(await b.tsrun('create', '--console-socket', socket.path, b.id), {
    code: 0,
    stdout: '',
    stderr: '',
  })
  const messages = socket.receive()
  t.match(messages, [{ text: /^\/dev\/(pts\/)?ptmx$/ }])
  t.equal(messages.length, 1, 'exactly one message')
  const [{ fds } = { fds: [] }] = messages
  t.equal(fds.length, 1, 'with exactly one descriptor')
  const [master] = fds
  if (master === undefined) throw new Error('no descriptor')
  t.teardown(() => master.close())
  return new Screen(master)
}

t.test('create hands the terminal over', { skip }, async (t) => {
  const b = await scripted(t, {
    script: 'echo out; echo err >&2; read line; echo "<$line>"; sleep 1000',
    change: (spec) => {
      spec.process.consoleSize = { height: 10, width: 110 }
      spec.process.user = { uid: 1000, gid: 1000 }
    },
  })
  const screen = await createWithSocket(t, b)
  const { pid } = await b.state()
  const dev = `/proc/${pid}/root/dev`
  const master = fstatSync(screen.master.number)
  t.equal(master.rdev, (5 << 8) | 2)
  t.equal(master.dev, statSync(`${dev}/pts/ptmx`).dev, "a master of the container's own devpts")
  t.same(terminalSize(screen.master), { height: 10, width: 110 })
  const peer = statSync(`${dev}/pts/0`)
  t.same([peer.uid, peer.gid, peer.mode & 0o777], [1000, 5, 0o620])
  for (const number of [0, 1, 2]) {
    t.equal(readlinkSync(`/proc/${pid}/fd/${number}`), '/dev/pts/0')
    const { dev, ino } = statSync(`/proc/${pid}/fd/${number}`)
    t.same([dev, ino], [peer.dev, peer.ino])
  }
  const console = statSync(`${dev}/console`)
  t.same([console.dev, console.ino, console.rdev], [peer.dev, peer.ino, FIRST_PTY])
  const open = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
  t.notMatch(open.join(), /ptmx/, 'the process keeps no master')
  t.same(terminalOf(pid), { device: FIRST_PTY, foreground: pid })
  t.equal(foregroundGroup(screen.master), pid)
  t.equal(screen.text(), '', 'nothing is written before the start')
  t.equal((await b.tsrun('start', b.id)).code, 0)
  await screen.shows('out\r\nerr\r\n')
  screen.type('typed\n')
  await screen.shows('typed\r\n<typed>\r\n')
})

t.test('the console is a mount of the container alone', { skip }, async (t) => {
  const b = await scripted(t, { script: 'sleep 1000' })
  await createWithSocket(t, b)
  const { pid } = await b.state()
  const mount = mountsOf(pid).find(({ target }) => target === '/dev/console')
  t.match(mount, { type: 'devpts', root: '/0' })
  t.notOk(mountsOf('self').some(({ target }) => target.startsWith(b.dir)))
})

t.test('run --detach hands the terminal over', { skip }, async (t) => {
  const b = await scripted(t, { script: 'tty; sleep 1000' })
  const socket = new ConsoleSocket(t, `${b.dir}/sock`)
  t.same(await b.tsrun('run', '--detach', '--console-socket', socket.path, b.id), {
    code: 0,
    stdout: '',
    stderr: '',
  })
  const [message] = socket.receive()
  const [master] = message?.fds ?? []
  if (master === undefined) throw new Error('no descriptor')
  await new Screen(master).shows('/dev/pts/0\r\n')
  master.close()
})

t.test('a path of a socket may be relative, and long', { skip }, async (t) => {
  const b = await scripted(t, { script: 'sleep 1000' })
  const dir = `${b.dir}/${'d'.repeat(120)}`
  mkdirSync(dir)
  for (const path of ['sock', `${dir}/sock`]) {
    const socket = new ConsoleSocket(t, path === 'sock' ? `${b.dir}/sock` : path)
    t.equal((await b.tsrun('create', '--console-socket', path, b.id)).code, 0)
    const [message] = socket.receive()
    t.equal(message?.fds.length, 1)
    message?.fds[0]?.close()
    await b.tsrun('delete', '-f', b.id)
  }
})

t.test('options that contradict each other', { skip }, async (t) => {
  const b = await scripted(t, { script: 'true' })
  const socket = new ConsoleSocket(t, `${b.dir}/sock`)
  const detaching = 'cannot allocate tty if runc will detach without setting console socket'
  const useless = 'cannot use console socket if runc will not detach or allocate tty'
  const refused = async (words: string[], text: string): Promise<void> => {
    const { code, stdout, stderr } = await b.tsrun(...words, b.id)
    t.match({ code, stdout }, { code: 1, stdout: '' })
    t.ok(stderr.includes(`runc ${words[0]} failed: ${text}`), stderr)
    t.same(leftovers(b.dir, b.root, b.id), [])
  }
  await refused(['create'], detaching)
  await refused(['run', '-d'], detaching)
  await refused(['create', '--console-socket', ''], detaching)
  await refused(['run', '--console-socket', socket.path], useless)
  b.reconfigure((spec) => {
    spec.process.terminal = false
  })
  await refused(['create', '--console-socket', socket.path], useless)
  await refused(['run', '-d', '--console-socket', socket.path], useless)
})

t.test('consoleSize without a terminal is ignored', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['true'],
    configure: ({ process }) => {
      process.consoleSize = { height: 10, width: 20 }
    },
  })
  t.same(await b.tsrun('run', b.id), { code: 0, stdout: '', stderr: '' })
})

t.test('a socket that nobody serves', { skip }, async (t) => {
  const b = await scripted(t, { script: 'true' })
  const failing = async (path: string, pattern: RegExp): Promise<void> => {
    t.match(await b.tsrun('create', '--console-socket', path, b.id), { code: 1, stderr: pattern })
    t.same(leftovers(b.dir, b.root, b.id), [])
  }
  await failing(`${b.dir}/none`, /create failed: .*none: no such file or directory/)
  await failing(`${b.dir}/config.json`, /connection refused/)
  const leaving = new ConsoleSocket(t, `${b.dir}/leaving`)
  b.reconfigure((spec) => {
    spec.process.terminal = true
    const script = 'until test -e gone; do sleep 0.01; done'
    spec.hooks = { createRuntime: [{ path: '/bin/sh', args: ['sh', '-c', script] }] }
  })
  const running = b.launch('create', '--console-socket', leaving.path, b.id)
  leaving.refuse()
  writeFileSync(`${b.dir}/gone`, '')
  const { code, stderr } = await running.ended
  t.equal(code, 1)
  t.match(stderr, /error during container init: sendmsg .*leaving: (broken pipe|connection reset)/)
  t.same(leftovers(b.dir, b.root, b.id), [])
})

/** What is in the way of a terminal (threat T-05). */
interface Obstacle {
  readonly what: string
  /** Mounts that the configuration does not have. */
  readonly without: readonly string[]
  readonly populate?: (rootfs: string, decoy: string) => void
  readonly bind?: { source: string; destination: string }
  readonly error: RegExp
}

const OBSTACLES: readonly Obstacle[] = [
  {
    what: 'no devpts, a regular file for ptmx',
    without: ['/dev', '/dev/pts'],
    populate(rootfs) {
      mkdirSync(`${rootfs}/dev/pts`)
      writeFileSync(`${rootfs}/dev/pts/ptmx`, '')
      writeFileSync(`${rootfs}/dev/ptmx`, '')
    },
    error: /\/dev\/pts is not a devpts file system \(config\.json:\d+:\d+\)/,
  },
  {
    what: 'a link for devpts',
    without: ['/dev', '/dev/pts'],
    populate(rootfs, decoy) {
      mkdirSync(`${rootfs}${decoy}`, { recursive: true })
      symlinkSync(decoy, `${rootfs}/dev/pts`)
    },
    error: /\/dev\/pts is not a devpts file system/,
  },
  { what: 'no devpts at all', without: ['/dev/pts'], error: /\/dev\/pts: no such file/ },
  {
    what: 'another device on ptmx',
    without: [],
    bind: { source: '/dev/null', destination: '/dev/pts/ptmx' },
    error: /\/dev\/pts\/ptmx is not the device 5:2/,
  },
  {
    what: 'a link for the console',
    without: ['/dev'],
    populate: (rootfs, decoy) => symlinkSync(`${decoy}/new`, `${rootfs}/dev/console`),
    error: /\/dev\/console: too many levels of symbolic links/,
  },
  {
    what: 'a directory for the console',
    without: ['/dev'],
    populate: (rootfs) => mkdirSync(`${rootfs}/dev/console`),
    error: /\/dev\/console: is a directory/,
  },
]

t.test('nothing can lead the terminal astray', { skip }, async (t) => {
  for (const { what, without, populate, bind, error } of OBSTACLES) {
    const decoy = t.testdir()
    const missing = [...without, '/dev/shm', '/dev/mqueue']
    const b = await withBundle(t, {
      configure: (spec) => {
        spec.process.terminal = true
        spec.mounts = spec.mounts.filter(({ destination }) => !missing.includes(destination))
        if (bind) spec.mounts.push({ ...bind, options: ['bind'] })
      },
      populate: (rootfs) => populate?.(rootfs, decoy),
    })
    const socket = new ConsoleSocket(t, `${b.dir}/sock`)
    const outcome = await b.tsrun('create', '--console-socket', socket.path, b.id)
    t.match(outcome, { code: 1, stdout: '', stderr: error }, what)
    t.same(socket.receive(), [], 'nothing is sent')
    t.same(readdirSync(decoy), [], 'nothing is made outside')
    t.same(leftovers(b.dir, b.root, b.id), [])
  }
})

t.test('a file for the console stays what it is on the disk', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['sh', '-c', 'test -c /dev/console && echo yes'],
    configure: (spec) => {
      spec.process.terminal = true
      spec.mounts = spec.mounts.filter(
        ({ destination }) => !/^\/dev(\/shm|\/mqueue)?$/.test(destination),
      )
    },
    populate: (rootfs) => {
      writeFileSync(`${rootfs}/dev/console`, 'old')
      chmodSync(`${rootfs}/dev/console`, 0o600)
      mkdirSync(`${rootfs}/dev/pts`)
    },
  })
  const session = runAtTerminal(t, b)
  t.equal(await session.ended, 0)
  t.match(session.screen.text(), 'yes\r\n')
  t.equal(readFileSync(`${b.rootfs}/dev/console`, 'utf8'), 'old')
  t.equal(statSync(`${b.rootfs}/dev/console`).mode & 0o777, 0o600)
})

t.test('without a mount namespace nothing is mounted on the host', { skip }, async (t) => {
  const before = mountsOf('self').length
  const b = await withBundle(t, {
    args: ['true'],
    configure: (spec) => {
      spec.process.terminal = true
      spec.mounts = []
      spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'mount')
      delete spec.linux.maskedPaths
      delete spec.linux.readonlyPaths
      spec.root.readonly = false
    },
  })
  const { screen, ended } = runAtTerminal(t, b)
  t.equal(await ended, 1)
  t.match(screen.text(), /\/dev\/pts: no such file or directory/)
  t.equal(mountsOf('self').length, before)
})
