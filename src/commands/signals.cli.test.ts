/** Which signals the foreground passes on: all that can be. */
import { readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { buildLastExec } from '../stub/last-exec.ts'
import type { Arg, Row } from '../stub/program.ts'
import { NR, type SyscallName } from '../sys/numbers.ts'
import { withBundle } from '../testing/bundle.ts'
import { eventually, processStatus } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()
const { SIGKILL, SIGSTOP, SIGCHLD, SIGWINCH, SIGURG } = constants.signals
const LAST = 64
const STDOUT = 1
const SIG_BLOCK = 0
const SIGINFO_SIZE = 128

function call(name: SyscallName, args: readonly Arg[], dst?: Row['dst']): Row {
  return { nr: NR[name], args, mode: 'fatal', ...(dst && { dst }) }
}

/**
 * A static program that blocks every signal, and then writes the number of each that it gets to its
 * output, 4 bytes each, `count` times.
 */
function recorder(count: number): Uint8Array {
  const all: Arg = { bytes: new Uint8Array(8).fill(0xff) }
  const info: Arg = { bytes: new Uint8Array(SIGINFO_SIZE) }
  const rows = [
    call('rt_sigprocmask', [SIG_BLOCK, all, 0, 8]),
    call('write', [STDOUT, { bytes: new Uint8Array(4) }, 4]),
  ]
  for (let i = 0; i < count; i++) {
    const read = rows.length + 1
    rows.push(
      call('signalfd4', [-1, all, 8, 0], { row: read, arg: 0 }),
      call('read', [-1, info, SIGINFO_SIZE]),
      call('write', [STDOUT, info, 4]),
    )
  }
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86-64'
  return buildLastExec(machine, { rows, reportFd: STDOUT, execFailurePrefix: '' })
}

function signals(...without: number[]): number[] {
  return Array.from({ length: LAST }, (_, i) => i + 1).filter((n) => !without.includes(n))
}

t.test('run passes every signal on that can be, real-time ones too', { skip }, async (t) => {
  const passed = signals(SIGKILL, SIGSTOP, SIGCHLD, SIGWINCH, SIGURG)
  const b = await withBundle(t, {
    args: ['/recorder'],
    populate: (rootfs) =>
      writeFileSync(join(rootfs, 'recorder'), recorder(passed.length + 1), { mode: 0o755 }),
  })
  const running = b.launch('run', b.id)
  const got = (): number[] => {
    const bytes = Buffer.from(running.stdout(), 'latin1')
    return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(4 * i))
  }
  await eventually('it listens', () => got().length === 1)
  for (const kept of [SIGCHLD, SIGWINCH, SIGURG]) process.kill(running.pid, kept)
  const expected = [0]
  for (const signal of passed) {
    process.kill(running.pid, signal)
    expected.push(signal)
    await eventually(`signal ${signal}`, () => got().length === expected.length)
    t.same(got().at(-1), signal)
  }
  t.same(got(), expected, 'each once, and no others')
  t.equal(processStatus(running.pid, 'SigPnd'), '0000000000000000')
  t.equal((await b.tsrun('kill', b.id, 'KILL')).code, 0)
  t.equal((await running.ended).code, 137)
})

t.test('run: a stopped container goes on with the SIGCONT of tsrun', { skip }, async (t) => {
  const b = await withBundle(t, {
    configure: ({ linux }) => {
      linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'pid')
    },
  })
  const running = b.launch('run', b.id)
  const pid = await eventually('it runs', () => runningSleep(running.pid))
  // a process group of its own session takes no other signal that stops
  process.kill(pid, 'SIGSTOP')
  await eventually('it is stopped', () => processStatus(pid, 'State').startsWith('T'))
  process.kill(running.pid, 'SIGTSTP')
  t.notMatch(processStatus(running.pid, 'State'), /^T/, 'tsrun itself is not')
  process.kill(running.pid, 'SIGCONT')
  await eventually('it goes on', () => processStatus(pid, 'State').startsWith('S'))
  process.kill(running.pid, 'SIGTERM')
  t.equal((await running.ended).code, 143)
})

/** The container's program, as the one child of tsrun. */
function runningSleep(parent: number): number | undefined {
  const pid = Number(readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim())
  return pid > 0 && processStatus(pid, 'Name') === 'sleep' ? pid : undefined
}

t.test('the program starts with no signal blocked or ignored', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['cat', '/proc/self/status'] })
  const { stdout } = await b.tsrun('run', b.id)
  for (const field of ['SigBlk', 'SigIgn', 'SigPnd', 'ShdPnd']) {
    t.match(stdout, `${field}:\t0000000000000000`)
  }
})
