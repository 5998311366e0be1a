import { fstatSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { Process } from '../../spec/generated/config.ts'
import { foregroundGroup, getTermios, setTerminalSize, terminalSize } from '../sys/terminal.ts'
import { running, type TestBundle, withBundle } from '../testing/bundle.ts'
import { programPath } from '../testing/cli.ts'
import { eventually, isRunning } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import {
  ConsoleSocket,
  FIRST_PTY,
  Screen,
  type Session,
  sitDown,
  terminalOf,
} from '../testing/terminal.ts'

const skip = needsContainers()

/** A container that runs, with no terminal of its own. @returns its process id, too */
async function sleeping(t: Test): Promise<{ b: TestBundle; pid: number }> {
  const b = await withBundle(t)
  return { b, pid: await running(b, () => {}) }
}

function execAtTerminal(t: Test, b: TestBundle, ...words: string[]): Session {
  return sitDown(t, [programPath(), '--root', b.root, 'exec', ...words], { cwd: b.dir })
}

/** Starts a process in the background. @returns its terminal's master, and its process id */
async function execWithSocket(
  t: Test,
  b: TestBundle,
  ...words: string[]
): Promise<{ screen: Screen; pid: number }> {
  const socket = new ConsoleSocket(t, `${b.dir}/sock`)
  const pidFile = `${b.dir}/exec.pid`
  const options = ['-d', '--pid-file', pidFile, '--console-socket', socket.path]
  t.same(await b.tsrun('exec', ...options, ...words), { code: 0, stdout: '', stderr: '' })
  const messages = socket.receive()
  t.match(messages, [{ text: /^\/dev\/(pts\/)?ptmx$/ }])
  t.equal(messages.length, 1, 'exactly one message')
  t.equal(messages[0]?.fds.length, 1, 'with exactly one descriptor')
  const [master] = messages[0]?.fds ?? []
  if (master === undefined) throw new Error('no descriptor')
  t.teardown(() => master.close())
  return { screen: new Screen(master), pid: Number(readFileSync(pidFile, 'utf8')) }
}

t.test('exec --console-socket hands the terminal over', { skip }, async (t) => {
  const { b, pid: first } = await sleeping(t)
  const script = 'tty; read line; echo "<$line>"; sleep 1000'
  const { screen, pid } = await execWithSocket(
    t,
    b,
    '-t',
    '-u',
    '1000:1000',
    b.id,
    'sh',
    '-c',
    script,
  )
  const dev = `/proc/${first}/root/dev`
  const master = fstatSync(screen.master.number)
  t.same([master.rdev, master.dev], [(5 << 8) | 2, statSync(`${dev}/pts/ptmx`).dev])
  const peer = statSync(`${dev}/pts/0`)
  t.same([peer.uid, peer.gid, peer.mode & 0o777], [1000, 5, 0o620])
  for (const number of [0, 1, 2]) {
    t.equal(readlinkSync(`/proc/${pid}/fd/${number}`), '/dev/pts/0')
    t.equal(statSync(`/proc/${pid}/fd/${number}`).dev, peer.dev)
  }
  t.throws(() => statSync(`${dev}/console`), { code: 'ENOENT' }, 'a console is for the first one')
  t.same(terminalOf(pid), { device: FIRST_PTY, foreground: pid })
  t.equal(foregroundGroup(screen.master), pid)
  t.equal(terminalOf(first).device, 0, 'the first process still has none')
  await screen.shows('/dev/pts/0\r\n')
  screen.type('typed\n')
  await screen.shows('typed\r\n<typed>\r\n')
})

t.test('a process.json says whether there is a terminal, and its size', { skip }, async (t) => {
  const { b } = await sleeping(t)
  const file = `${b.dir}/process.json`
  const write = (process: Process): void => writeFileSync(file, JSON.stringify(process))
  const process = { cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } }
  const consoleSize = { height: 10, width: 110 }
  write({ ...process, args: ['sh', '-c', 'stty size; sleep 9'], terminal: true, consoleSize })
  const { screen } = await execWithSocket(t, b, '-p', file, b.id)
  t.same(terminalSize(screen.master), consoleSize)
  await screen.shows('10 110\r\n')
  write({ ...process, args: ['sh', '-c', 'tty; true'] })
  const outcome = await b.tsrun('exec', '-t', '-p', file, b.id)
  t.same(outcome, { code: 0, stdout: 'not a tty\n', stderr: '' }, 'whatever --tty says')
})

t.test('exec --tty at a terminal', { skip }, async (t) => {
  const { b, pid: first } = await sleeping(t)
  const script = `trap 'echo got INT' INT; trap 'stty size' WINCH; tty; stty size
    read line; echo "<$line>"; while ! test -e /dev/shm/over; do sleep 0.02; done; exit 7`
  const { screen, peer, ended } = execAtTerminal(t, b, '--tty', b.id, 'sh', '-c', script)
  const before = getTermios(peer)
  await screen.shows('/dev/pts/0\r\n24 80\r\n')
  t.notSame(getTermios(peer), before, 'raw')
  screen.type('hello\r')
  await screen.shows('hello\r\n<hello>\r\n')
  screen.type('\x03')
  await screen.shows('got INT')
  setTerminalSize(screen.master, { height: 50, width: 120 })
  await screen.shows('50 120\r\n')
  writeFileSync(`/proc/${first}/root/dev/shm/over`, '')
  t.equal(await ended, 7)
  t.same(getTermios(peer), before, 'as it was')
  t.ok(isRunning(first), 'the container goes on')
})

t.test('exec --tty with other standard streams', { skip }, async (t) => {
  const { b } = await sleeping(t)
  const command = `"$TSRUN" --root '${b.root}' exec -t ${b.id} seq 150000 </dev/null | sha256sum
    seq 150000 | sha256sum`
  const { screen, ended } = sitDown(t, ['sh', '-c', command], { cwd: b.dir })
  t.equal(await ended, 0)
  const [through, direct] = screen.text().split('\r\n')
  t.equal(through, direct)
})

t.test('two processes have two terminals', { skip }, async (t) => {
  const { b } = await sleeping(t)
  const script = 'tty; read line'
  const one = execAtTerminal(t, b, '-t', b.id, 'sh', '-c', script)
  await one.screen.shows('/dev/pts/0\r\n')
  const two = execAtTerminal(t, b, '-t', b.id, 'sh', '-c', script)
  await two.screen.shows('/dev/pts/1\r\n')
  for (const { screen, ended } of [one, two]) {
    screen.type('\r')
    t.equal(await ended, 0)
  }
})

t.test('options that contradict each other', { skip }, async (t) => {
  const { b } = await sleeping(t)
  const socket = new ConsoleSocket(t, `${b.dir}/sock`)
  const detaching = 'cannot allocate tty if runc will detach without setting console socket'
  const useless = 'cannot use console socket if runc will not detach or allocate tty'
  const refused = async (words: string[], text: string): Promise<void> => {
    const { code, stdout, stderr } = await b.tsrun('exec', ...words, b.id, 'true')
    t.match({ code, stdout }, { code: 255, stdout: '' })
    t.ok(stderr.includes(`exec failed: ${text}`), stderr)
  }
  await refused(['-d', '-t'], detaching)
  await refused(['-t', '--console-socket', socket.path], useless)
  await refused(['-d', '--console-socket', socket.path], useless)
  await refused(['-d', '-t', '--console-socket', `${b.dir}/none`], `connect ${b.dir}/none: no such`)
})

t.test('a program that cannot be executed leaves the terminal as it was', { skip }, async (t) => {
  const { b } = await sleeping(t)
  const { screen, peer, ended } = execAtTerminal(t, b, '-t', b.id, '/no/such/program')
  const before = getTermios(peer)
  t.equal(await ended, 255)
  t.match(screen.text(), /no such file or directory/)
  t.same(getTermios(peer), before)
})

t.test('a container cannot lead the terminal of a further process astray', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: [
      'sh',
      '-c',
      'mount -t tmpfs x /dev/pts; touch /dev/pts/ptmx; touch /dev/pts/up; sleep 1000',
    ],
    configure: ({ process }) => {
      const { capabilities = {} } = process
      for (const set of ['bounding', 'effective', 'permitted'] as const) {
        capabilities[set] = [...(capabilities[set] ?? []), 'CAP_SYS_ADMIN']
      }
    },
  })
  t.equal((await b.tsrun('run', '-d', b.id)).code, 0)
  const { pid } = await b.state()
  await eventually('it is mounted', () => {
    try {
      return statSync(`/proc/${pid}/root/dev/pts/up`)
    } catch {
      return undefined
    }
  })
  const { screen, ended } = execAtTerminal(t, b, '-t', b.id, 'true')
  t.equal(await ended, 255)
  t.match(screen.text(), /\/dev\/pts is not a devpts file system/)
})
