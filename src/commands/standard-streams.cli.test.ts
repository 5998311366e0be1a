import { spawn } from 'node:child_process'
import { fstatSync, openSync, readFileSync, statSync } from 'node:fs'
import t from 'tap'
import { seqpacketPair } from '../sys/socket.ts'
import { withBundle } from '../testing/bundle.ts'
import { programPath } from '../testing/cli.ts'
import { needsContainers } from '../testing/needs.ts'
import { newTerminal, terminalOf } from '../testing/terminal.ts'

const skip = needsContainers()

const O_NONBLOCK = 0o4000

/** Flags of an open file. @see proc_pid_fdinfo(5) */
function flagsOf(fd: number): number {
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')
  return Number.parseInt(/^flags:\s+(\d+)$/m.exec(text)?.[1] ?? '', 8)
}

/** The same file: also a socket, of which only the number says which one it is. */
function identity({ dev, ino }: { dev: number; ino: number }): string {
  return `${dev}:${ino}`
}

t.test('a container gets the very streams that the caller has', { skip }, async (t) => {
  const b = await withBundle(t)
  const { screen, peer } = newTerminal({ height: 24, width: 80 })
  const [socket, other] = seqpacketPair(['socket', 'its other end'])
  const file = openSync(`${b.dir}/file`, 'a')
  const streams = [peer.number, socket.number, file]
  const flags = streams.map(flagsOf)
  t.notOk(flags.some((word) => word & O_NONBLOCK))
  for (const words of [['create'], ['run', '-d']]) {
    const child = spawn(programPath(), ['--root', b.root, ...words, b.id], {
      cwd: b.dir,
      stdio: streams as [number, number, number],
    })
    const code = await new Promise((done) => child.once('exit', done))
    t.equal(code, 0, words.join(' '))
    const { pid } = await b.state()
    streams.forEach((stream, number) => {
      const found = statSync(`/proc/${pid}/fd/${number}`)
      t.equal(identity(found), identity(fstatSync(stream)))
    })
    t.same(streams.map(flagsOf), flags, 'with the flags that they had: none waits for nobody')
    t.equal(terminalOf(pid).device, 0, "the caller's terminal does not control it (threat T-22)")
    t.equal((await b.tsrun('delete', '-f', b.id)).code, 0)
  }
  t.equal(readFileSync(`${b.dir}/file`, 'utf8'), '', 'nothing was said')
  for (const fd of [screen.master, peer, socket, other]) fd.close()
})

t.test('run in the foreground leaves them as they were', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['sh', '-c', 'read line; echo "<$line>"'] })
  const { screen, peer } = newTerminal({ height: 24, width: 80 })
  const [socket, other] = seqpacketPair(['socket', 'its other end'])
  const streams = [peer.number, socket.number, peer.number]
  const flags = streams.map(flagsOf)
  const child = spawn(programPath(), ['--root', b.root, 'run', b.id], {
    cwd: b.dir,
    stdio: streams as [number, number, number],
  })
  screen.type('x\n')
  const code = await new Promise((done) => child.once('exit', done))
  t.equal(code, 0, screen.text())
  t.same(streams.map(flagsOf), flags)
  for (const fd of [screen.master, peer, socket, other]) fd.close()
})
