/** Which of the caller's descriptors a container's program gets. */
import { spawn } from 'node:child_process'
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { leftovers, type TestBundle, withBundle } from '../testing/bundle.ts'
import { type Outcome, programPath } from '../testing/cli.ts'
import { eventually, isRunning, processesNaming, processStatus } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import { greeter } from '../testing/service-manager.ts'
import { converse, isListening } from '../testing/unix-client.ts'

const skip = needsContainers()
/** The first descriptor that is not a standard stream. */
const FIRST = 3

/** What a caller of the program has; null in `fds` is a closed one. */
interface Caller {
  /** Becomes 3 and so on. */
  readonly fds: readonly (number | null)[]
  readonly env?: Record<string, string>
  /** The variables of an activation: LISTEN_PID is the program's own process id. */
  readonly listenFds?: string
  readonly listenFdNames?: string
}

/** Closes descriptors, sets LISTEN_PID, and becomes the program. */
const CALLER = `[ -z "$LISTEN_FDS" ] || export LISTEN_PID="\${LISTEN_PID-$$}"
eval "exec $CLOSED $MORE"; exec "$@"`

function call(b: TestBundle, caller: Caller, ...args: string[]): Promise<Outcome> {
  const { fds, env = {}, listenFds, listenFdNames } = caller
  const closed = fds.flatMap((fd, i) => (fd === null ? [`${FIRST + i}<&-`] : []))
  const out = join(b.dir, 'out')
  const err = join(b.dir, 'err')
  const streams = [openSync(out, 'w'), openSync(err, 'w')] as const
  const child = spawn('sh', ['-c', CALLER, 'sh', programPath(), '--root', b.root, ...args], {
    cwd: b.dir,
    stdio: ['ignore', ...streams, ...fds.map((fd) => fd ?? 'ignore')],
    env: {
      ...process.env,
      CLOSED: closed.join(' '),
      ...(listenFds !== undefined && { LISTEN_FDS: listenFds }),
      ...(listenFdNames !== undefined && { LISTEN_FDNAMES: listenFdNames }),
      ...env,
    },
  })
  for (const fd of streams) closeSync(fd)
  return new Promise((done, failed) => {
    child.once('error', failed)
    child.once('exit', (code) => {
      done({
        code: code ?? -1,
        stdout: readFileSync(out, 'utf8'),
        stderr: readFileSync(err, 'utf8'),
      })
    })
  })
}

/** Opens `count` files, each with its number in it. */
function files(t: Test, b: TestBundle, count: number): number[] {
  mkdirSync(join(b.dir, 'files'), { recursive: true })
  const fds = Array.from({ length: count }, (_, i) => {
    const path = join(b.dir, 'files', `${i}`)
    writeFileSync(path, `content ${i}\n`)
    return openSync(path, 'r')
  })
  t.teardown(() => {
    for (const fd of fds) closeSync(fd)
  })
  return fds
}

/** The open descriptors of a process, in order. */
function descriptorsOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/fd`)
    .map(Number)
    .sort((a, b) => a - b)
}

function sequence(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

/** Descriptors from 3 on are these files of the test's, and there are no others. */
function expectDescriptors(t: Test, pid: number, fds: readonly number[]): void {
  t.same(descriptorsOf(pid), sequence(FIRST + fds.length))
  fds.forEach((fd, i) => {
    const own = fstatSync(fd)
    const { dev, ino } = statSync(`/proc/${pid}/fd/${FIRST + i}`)
    t.same([dev, ino], [own.dev, own.ino], `descriptor ${FIRST + i}`)
  })
}

/** Of the stub that waits for the start, it has no words. */
function commandLine(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', '')
}

async function programOf(b: TestBundle): Promise<number> {
  const { pid } = await b.state()
  await eventually('it is executed', () => commandLine(pid) !== '')
  return pid
}

function environmentOf(pid: number): Record<string, string> {
  const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean)
  return Object.fromEntries(entries.map((entry) => /^([^=]*)=(.*)$/s.exec(entry)?.slice(1) ?? []))
}

function listenVariables(pid: number): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environmentOf(pid)).filter(([name]) => name.startsWith('LISTEN_')),
  )
}

t.test('--preserve-fds passes on as many as it says, and no others', { skip }, async (t) => {
  const b = await withBundle(t)
  const fds = files(t, b, 60)
  for (const count of [0, 1, 2, 7, 50]) {
    const option = ['--preserve-fds', `${count}`]
    t.match(await call(b, { fds }, 'run', '-d', ...option, b.id), { code: 0, stderr: '' })
    expectDescriptors(t, await programOf(b), fds.slice(0, count))
    t.equal((await b.tsrun('delete', '-f', b.id)).code, 0)
  }
  t.match(await call(b, { fds }, 'create', '--preserve-fds=50', b.id), { code: 0, stderr: '' })
  t.equal((await b.tsrun('start', b.id)).code, 0)
  expectDescriptors(t, await programOf(b), fds.slice(0, 50))
})

t.test('--preserve-fds: the program reads what the caller has opened', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['sh', '-c', 'read a <&3; read b <&4; echo $a, $b'] })
  const fds = files(t, b, 2)
  t.same(await call(b, { fds }, 'run', '--preserve-fds', '2', b.id), {
    code: 0,
    stdout: 'content 0, content 1\n',
    stderr: '',
  })
  const again = await call(b, { fds }, 'run', '--preserve-fds', '2', b.id)
  t.equal(again.stdout, ',\n', 'the position is shared')
})

t.test('--preserve-fds: descriptors that are not open', { skip }, async (t) => {
  const b = await withBundle(t)
  const [a = -1, c = -1] = files(t, b, 2)
  const cases: [(number | null)[], string, number, number, number][] = [
    [[], '1', 0, 1, 3],
    [[null, a], '2', 0, 2, 3],
    [[a], '3', 1, 3, 4],
    [[a, null, c], '2', 1, 2, 4],
    [[a, null, c, c], '4', 1, 4, 4],
    [[a, c], '2000000000', 2, 2_000_000_000, 5],
  ]
  for (const [fds, option, index, count, number] of cases) {
    for (const command of [['create'], ['run'], ['run', '-d'], ['--log', 'log', 'run']]) {
      const outcome = await call(b, { fds }, ...command, '--preserve-fds', option, b.id)
      t.equal(outcome.code, 1)
      t.match(
        outcome.stderr,
        `unable to stat preserved-fd ${index} (of ${count}): stat /proc/self/fd/${number}: no such file or directory`,
      )
      t.same(leftovers(b.dir, b.root, b.id), [])
    }
  }
  t.equal((await call(b, { fds: [a] }, 'run', '-d', '--preserve-fds', '-1', b.id)).code, 0)
  expectDescriptors(t, await programOf(b), [])
  t.equal((await b.tsrun('run', '--preserve-fds', 'x', b.id)).code, 1)
})

t.test('sockets of an activation come first, and the program is told', { skip }, async (t) => {
  const b = await withBundle(t, {
    configure: ({ process }) => {
      process.env.push('LISTEN_PID=77', 'LISTEN_FDS=9')
    },
  })
  const fds = files(t, b, 4)
  const caller = { fds, listenFds: '2', listenFdNames: 'web:admin' }
  t.match(await call(b, caller, 'run', '-d', '--preserve-fds', '1', b.id), { code: 0, stderr: '' })
  const pid = await programOf(b)
  expectDescriptors(t, pid, fds.slice(0, 3))
  t.same(listenVariables(pid), {
    LISTEN_FDS: '2',
    LISTEN_PID: '1',
    LISTEN_FDNAMES: 'web:admin',
  })
  t.equal((await b.tsrun('delete', '-f', b.id)).code, 0)
  t.match(await call(b, caller, 'create', b.id), { code: 0, stderr: '' })
  t.equal((await b.tsrun('start', b.id)).code, 0)
  expectDescriptors(t, await programOf(b), fds.slice(0, 2))
})

t.test('an activation: LISTEN_PID is the number that the program sees', { skip }, async (t) => {
  const b = await withBundle(t, {
    configure: ({ linux }) => {
      linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'pid')
    },
  })
  const fds = files(t, b, 1)
  t.equal((await call(b, { fds, listenFds: '1' }, 'run', '-d', b.id)).code, 0)
  const pid = await programOf(b)
  t.same(listenVariables(pid), { LISTEN_FDS: '1', LISTEN_PID: `${pid}` })
})

t.test('an activation that is not for this process passes nothing', { skip }, async (t) => {
  const b = await withBundle(t, {
    configure: ({ process }) => {
      process.env.push('LISTEN_FDS=own')
    },
  })
  const fds = files(t, b, 2)
  const callers: [string, Omit<Caller, 'fds'>][] = [
    ['of another process', { listenFds: '2', env: { LISTEN_PID: `${process.pid}` } }],
    ['without a process', { listenFds: '2', env: { LISTEN_PID: '' } }],
    ['of none', { listenFds: '0' }],
    ['of less than none', { listenFds: '-1' }],
    ['of no number', { listenFds: '2x' }],
  ]
  for (const [what, caller] of callers) {
    t.match(await call(b, { fds, ...caller }, 'run', '-d', b.id), { code: 0, stderr: '' }, what)
    const pid = await programOf(b)
    expectDescriptors(t, pid, [])
    t.same(listenVariables(pid), { LISTEN_FDS: 'own' }, what)
    await b.tsrun('delete', '-f', b.id)
  }
})

t.test('an activation with a descriptor missing, with names too many', { skip }, async (t) => {
  const b = await withBundle(t)
  const fds = files(t, b, 2)
  const short = await call(b, { fds, listenFds: '3' }, 'run', b.id)
  t.match(short, { code: 1, stderr: /LISTEN_FDS is 3: stat \/proc\/self\/fd\/5: no such file/ })
  t.same(leftovers(b.dir, b.root, b.id), [])
  const caller = { fds, listenFds: '2', listenFdNames: 'one' }
  t.equal((await call(b, caller, 'run', '-d', b.id)).code, 0)
  t.same(listenVariables(await programOf(b)), { LISTEN_FDS: '2', LISTEN_PID: '1' })
})

t.test('start has no part in an activation', { skip }, async (t) => {
  const b = await withBundle(t)
  const fds = files(t, b, 1)
  t.equal((await b.tsrun('create', b.id)).code, 0)
  t.match(await call(b, { fds, listenFds: '1' }, 'start', b.id), { code: 0, stderr: '' })
  const pid = await programOf(b)
  expectDescriptors(t, pid, [])
  t.same(listenVariables(pid), {})
})

t.test(
  'a connection that systemd-socket-activate has accepted',
  { skip: skip || needsContainers('command systemd-socket-activate') },
  async (t) => {
    const b = await withBundle(t, {
      args: ['sh', '-c', 'read line <&3; echo "$LISTEN_FDS $LISTEN_PID got $line" >&3'],
    })
    const socket = join(b.dir, 'socket')
    const activate = spawn(
      'systemd-socket-activate',
      ['--accept', '-l', socket, programPath(), '--root', b.root, 'run', b.id],
      { cwd: b.dir, stdio: 'ignore' },
    )
    t.teardown(() => activate.kill('SIGKILL'))
    await eventually('it listens', () => isListening(socket))
    const answer = await converse(socket, 'hello\n')
    t.equal(answer, '1 1 got hello\n')
    await eventually('the container is gone', () => processesNaming(b.id).length <= 1)
  },
)

t.test('in the foreground the container alone holds what was passed on', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['sh', '-c', 'exec 3>&-; exec sleep 1000'] })
  const server = createServer()
  const path = join(b.dir, 'socket')
  await new Promise<void>((done) => server.listen(path, done))
  const ended = new Promise<void>((done) => {
    server.once('connection', (connection) => connection.once('end', done).resume())
  })
  const client = createConnection(path)
  await new Promise((done) => client.once('connect', done))
  const handle = (client as unknown as { _handle: { fd: number } })._handle
  const running = call(b, { fds: [handle.fd] }, 'run', '--preserve-fds', '1', b.id)
  client.destroy()
  await ended
  t.equal((await b.state()).status, 'running', 'while it runs on')
  t.equal((await b.tsrun('kill', b.id, 'KILL')).code, 0)
  t.equal((await running).code, 137)
  server.close()
})

t.test('standard streams that are closed change no number', { skip }, async (t) => {
  const b = await withBundle(t)
  const fds = files(t, b, 3)
  const env = { MORE: '0<&- 2>&-' }
  t.equal((await call(b, { fds, env }, 'run', '-d', '--preserve-fds', '3', b.id)).code, 0)
  const pid = await programOf(b)
  expectDescriptors(t, pid, fds)
  t.ok(isRunning(pid))
  t.equal(processStatus(pid, 'Name'), 'sleep')
})

t.test(
  'a listening socket that systemd-socket-activate has opened',
  { skip: skip || needsContainers('command systemd-socket-activate') },
  async (t) => {
    const b = await withBundle(t, {
      args: ['/greet'],
      populate: (rootfs) =>
        writeFileSync(join(rootfs, 'greet'), greeter(FIRST + 1, 'hello\n'), { mode: 0o755 }),
    })
    const sockets = [join(b.dir, 'first'), join(b.dir, 'second')] as const
    const command = [programPath(), '--root', b.root, 'run', b.id]
    const activate = spawn(
      'systemd-socket-activate',
      [...sockets.flatMap((path) => ['-l', path]), ...command],
      { cwd: b.dir, stdio: 'ignore' },
    )
    const ended = new Promise((done) => activate.once('exit', done))
    await eventually('it listens', () => isListening(sockets[1]))
    t.equal(await converse(sockets[1], ''), 'hello\n')
    t.equal(await ended, 0, 'it has become tsrun, which ends as the container does')
  },
)

t.test('hooks get none of what is passed to the program', { skip }, async (t) => {
  const b = await withBundle(t)
  // the shell opens files for itself, but not at these numbers
  const test = 'for n in 3 4 5 6 7; do (eval ": <&$n") 2>/dev/null && echo $n; done; echo end'
  const list = (file: string) => ({
    path: '/bin/sh',
    args: ['sh', '-c', `exec > ${file}; ${test}`],
  })
  const kinds = ['createRuntime', 'createContainer', 'poststart', 'startContainer'] as const
  const paths = kinds.map((kind) => join(b.dir, kind))
  b.reconfigure((spec) => {
    spec.root.readonly = false
    spec.hooks = {
      createRuntime: [list(join(b.dir, 'createRuntime'))],
      createContainer: [list(join(b.dir, 'createContainer'))],
      poststart: [list(join(b.dir, 'poststart'))],
      startContainer: [list('/tmp/startContainer')],
    }
  })
  const fds = files(t, b, 5)
  t.match(await call(b, { fds, listenFds: '1' }, 'run', '-d', '--preserve-fds', '2', b.id), {
    code: 0,
    stderr: '',
  })
  expectDescriptors(t, await programOf(b), fds.slice(0, 3))
  for (const path of [...paths.slice(0, 3), join(b.rootfs, 'tmp/startContainer')]) {
    t.equal(readFileSync(path, 'utf8'), 'end\n', path)
  }
})
