/** The pidfd that --pidfd-socket sends. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Fd } from '../sys/fd.ts'
import { pidfdSendSignal } from '../sys/process.ts'
import { SIG } from '../sys/signal.ts'
import { pollIn } from '../sys/socket.ts'
import { accept, bindUnix, listen, receiveDescriptors } from '../sys/unix-socket.ts'
import { leftovers, withBundle } from '../testing/bundle.ts'
import { eventually, isRunning } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

interface Listener {
  readonly path: string
  /** The next message of a connection that waits, and what comes after: the end. */
  take(): { text: string; fds: readonly Fd[]; after: string }
}

function listener(t: Test, dir: string): Listener {
  const path = join(dir, 'pidfd.sock')
  const socket = bindUnix(path, 'stream')
  listen(socket)
  t.teardown(() => socket.close())
  return {
    path,
    take() {
      if (!pollIn([socket], 0)[0]) throw new Error('nobody has connected')
      using connection = accept(socket)
      const { data, fds } = receiveDescriptors(connection)
      const after = receiveDescriptors(connection)
      return { text: data.toString(), fds, after: `${after.data}` }
    },
  }
}

/** Which process a pidfd of this process is of. @see pidfd_open(2) */
function processOf(pidfd: Fd): number {
  const [, pid] =
    /^Pid:\s+(-?\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${pidfd.number}`, 'utf8')) ?? []
  return Number(pid)
}

t.test('create sends a pidfd of the process that waits', { skip }, async (t) => {
  const b = await withBundle(t)
  const { path, take } = listener(t, b.dir)
  t.same(await b.tsrun('create', '--pidfd-socket', path, b.id), { code: 0, stdout: '', stderr: '' })
  const { text, fds, after } = take()
  t.same([text, fds.length, after], ['standard', 1, ''])
  const { pid, status } = await b.state()
  t.equal(status, 'created')
  const [pidfd] = fds
  if (pidfd === undefined) return
  t.equal(processOf(pidfd), pid)
  pidfdSendSignal(pidfd, SIG.TERM)
  await eventually('it ends', () => pollIn([pidfd], 0)[0])
  t.equal((await b.state()).status, 'stopped')
  pidfd.close()
})

t.test('run sends a pidfd of the program, also in the foreground', { skip }, async (t) => {
  const b = await withBundle(t)
  const { path, take } = listener(t, b.dir)
  t.same(await b.tsrun('run', '-d', '--pidfd-socket', path, b.id), {
    code: 0,
    stdout: '',
    stderr: '',
  })
  const { pid } = await b.state()
  const [pidfd] = take().fds
  if (pidfd === undefined) throw new Error('no descriptor')
  t.equal(processOf(pidfd), pid)
  pidfdSendSignal(pidfd, SIG.KILL)
  await eventually('it ends', () => !isRunning(pid))
  pidfd.close()
  t.equal((await b.tsrun('delete', b.id)).code, 0)
  const running = b.launch('run', '--pidfd-socket', 'pidfd.sock', b.id)
  const received = await eventually('a connection', () => {
    try {
      return take()
    } catch {
      return undefined
    }
  })
  for (const fd of received.fds) {
    pidfdSendSignal(fd, SIG.KILL)
    fd.close()
  }
  t.equal((await running.ended).code, 137)
})

t.test('it stays with tsrun and the receiver', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['sh', '-c', 'ls /proc/1/fd; true'] })
  const { path, take } = listener(t, b.dir)
  const { stdout } = await b.tsrun('run', '--pidfd-socket', path, b.id)
  t.equal(stdout, '0\n1\n2\n')
  for (const fd of take().fds) fd.close()
})

t.test('a socket that nobody listens on, or that closes: no container', { skip }, async (t) => {
  const b = await withBundle(t)
  for (const command of [['create'], ['run'], ['run', '-d']]) {
    t.match(await b.tsrun(...command, '--pidfd-socket', '/nowhere/socket', b.id), {
      code: 1,
      stderr: /connect \/nowhere\/socket: no such file or directory/,
    })
    t.match(await b.tsrun(...command, '--pidfd-socket', 'config.json', b.id), {
      code: 1,
      stderr: /connect config.json: connection refused/,
    })
  }
  t.same(leftovers(b.dir, b.root, b.id), [])
})

t.test('a receiver that goes away: no container', { skip }, async (t) => {
  const b = await withBundle(t)
  const go = join(b.dir, 'go')
  b.reconfigure((spec) => {
    const args = ['sh', '-c', `until [ -e ${go} ]; do sleep 0.02; done`]
    spec.hooks = { createRuntime: [{ path: '/bin/sh', args }] }
  })
  const socket = bindUnix(join(b.dir, 'rude'), 'stream')
  listen(socket)
  const running = b.launch('run', '-d', '--pidfd-socket', 'rude', b.id)
  await eventually('a connection', () => pollIn([socket], 0)[0])
  accept(socket).close()
  socket.close()
  writeFileSync(go, '')
  t.match(await running.ended, { code: 1, stderr: /sendmsg rude: broken pipe/ })
  t.same(leftovers(b.dir, b.root, b.id), [])
})
