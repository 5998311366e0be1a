import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildLastExec } from './last-exec.ts'
import { buildLauncher } from './launcher.ts'
import { DROPPED, SWITCHES } from './launcher-data.ts'
import type { Arg } from './program.ts'
import { NATIVE_RUNNER, type NamedRow, program, RUNNERS, type Runner, run } from './testing.ts'

const IS_ROOT = process.getuid?.() === 0
const STATUS = 7
const SEPARATOR = '\n--\n'
const OUT = 100
const ROOM = 1 << 20

/** What the engine found. `limits`: the line of /proc/self/limits; `fds`: what 0 to 2 are. */
interface Found {
  readonly env: string[]
  readonly argv: string[]
  readonly exe: string
  readonly fds: string[]
}

/** An engine that writes its environment, arguments, executable and descriptors to `out`. */
function fakeEngine(out: string): Uint8Array {
  const buffer: Arg = { bytes: new Uint8Array(ROOM) }
  const rows: NamedRow[] = [
    ['openat', [-100, { string: out }, 0o1101, 0o600], 'fatal', { row: 1, arg: 0 }],
    ['dup3', [-1, OUT, 0o2000000]],
  ]
  const show = (length: number) => {
    rows.push(['write', [OUT, buffer, length]])
    rows.push(['write', [OUT, { string: SEPARATOR }, SEPARATOR.length]])
  }
  for (const name of ['environ', 'cmdline']) {
    const path = { string: `/proc/self/${name}` }
    rows.push(['openat', [-100, path, 0], 'fatal', { row: rows.length + 1, arg: 0 }])
    rows.push(['read', [-1, buffer, ROOM], 'fatal', { row: rows.length + 1, arg: 2 }])
    show(0)
  }
  for (const name of ['exe', 'fd/0', 'fd/1', 'fd/2']) {
    const path = { string: `/proc/self/${name}` }
    const next = { row: rows.length + 1, arg: 2 }
    rows.push(['readlinkat', [-100, path, buffer, 4096], 'fatal', next])
    show(0)
  }
  rows.push(['exitGroup', [STATUS]])
  return buildLastExec(NATIVE_RUNNER.machine, program(NATIVE_RUNNER.machine, rows))
}

/** A directory with a launcher for `runner`, the fake engine and what that writes. */
function install(t: Test, runner: Runner): { dir: string; tsrun: string; found: () => Found } {
  const dir = join(t.testdir(), 'lib')
  mkdirSync(dir)
  const out = join(t.testdirName, 'out')
  const tsrun = join(dir, 'tsrun')
  writeFileSync(tsrun, buildLauncher(runner.machine), { mode: 0o755 })
  writeFileSync(join(dir, 'tsrun.engine'), fakeEngine(out), { mode: 0o755 })
  const found = (): Found => {
    const [env = '', argv = '', exe = '', ...fds] = readFileSync(out, 'utf8').split(SEPARATOR)
    rmSync(out)
    const strings = (text: string) => text.split('\0').slice(0, -1)
    return { env: strings(env), argv: strings(argv), exe, fds: fds.slice(0, 3) }
  }
  return { dir, tsrun, found }
}

/** Turns the first segment header of an ELF file into PT_INTERP, for the program at `path`. */
function withLoader(image: Buffer, path: string): Buffer {
  const header = Buffer.alloc(56)
  header.writeUInt32LE(3, 0)
  header.writeBigUInt64LE(BigInt(image.length), 8)
  header.writeBigUInt64LE(BigInt(path.length + 1), 32)
  header.copy(image, 64)
  return Buffer.concat([image, Buffer.from(`${path}\0`)])
}

/** The command of `runner` for a shell. */
function words(runner: Runner, ...command: string[]): string {
  return [...runner.prefix, ...command].join(' ')
}

for (const runner of RUNNERS) {
  const { machine, skip } = runner
  const options = { skip }

  t.test(`${machine}: arguments and exit status pass unchanged`, options, async (t) => {
    const { tsrun, found } = install(t, runner)
    const args = ['run', '--version', '', 'ä b', '-e']
    t.match(run(runner, [tsrun, ...args]), { status: STATUS, stderr: '' })
    t.same(found().argv, [tsrun, ...args])
  })

  t.test(`${machine}: dangerous variables are dropped, others kept`, options, async (t) => {
    const { dir, tsrun, found } = install(t, runner)
    const kept = {
      PATH: '/bin',
      BUN: '1',
      LD: '2',
      TSRUN: '3',
      NODEX_Y: '4',
      XLD_A: '5',
      EMPTY: '',
    }
    const keptVariables = Object.entries(kept).map(([name, value]) => `${name}=${value}`)
    const dropped = DROPPED.map((prefix) =>
      prefix.endsWith('=') ? `${prefix}x` : `${prefix}ANY=x`,
    )
    const variables = [...dropped, ...keptVariables, ...dropped]
    run(NATIVE_RUNNER, ['/usr/bin/env', '-i', ...variables, ...runner.prefix, tsrun])
    const { env } = found()
    const limit = env.shift() ?? ''
    t.match(limit, /^TSRUN_NOFILE=[0-9a-f]{16}:[0-9a-f]{16}$/)
    t.equal(env.shift(), `TSRUN_LIB=${dir}`)
    t.match(env.shift(), /^TSRUN_MOUNT=[0-9a-f]{16}$/)
    t.match(env.shift(), /^TSRUN_FREE=[0-9a-f]{16}$/)
    t.same(env.splice(0, SWITCHES.length), SWITCHES)
    t.same(env.sort(), keptVariables.sort())
  })

  t.test(`${machine}: TSRUN_NOFILE holds the caller's limit`, options, async (t) => {
    const { tsrun, found } = install(t, runner)
    spawnSync('sh', ['-c', `ulimit -Sn 171; ulimit -Hn 4096; exec ${words(runner, tsrun)}`])
    t.equal(found().env[0], 'TSRUN_NOFILE=00000000000000ab:0000000000001000')
  })

  t.test(`${machine}: TSRUN_FREE is the caller's first free descriptor`, options, async (t) => {
    const { tsrun, found } = install(t, runner)
    const cases = [
      ['3<&- 4<&- 5<&-', 3],
      ['3</ 4<&- 5</', 4],
      ['3</ 4</ 5</ 6<&-', 6],
      ['<&- 3<&- 4</', 3],
    ] as const
    for (const [redirection, expected] of cases) {
      const { status } = spawnSync('sh', ['-c', `exec ${words(runner, tsrun)} ${redirection}`])
      t.equal(status, STATUS, redirection)
      t.equal(found().env[3], `TSRUN_FREE=${`${expected}`.padStart(16, '0')}`, redirection)
    }
  })

  t.test(`${machine}: closed descriptors are /dev/null in the engine`, options, async (t) => {
    const { tsrun, found } = install(t, runner)
    const devNull = '/dev/null'
    const cases = [
      ['<&- >&- 2>&-', [devNull, devNull, devNull]],
      ['</ >/dev/zero 2>&-', ['/', '/dev/zero', devNull]],
      ['<&- >/dev/zero 2>/dev/full', [devNull, '/dev/zero', '/dev/full']],
      ['</ >&- 2>/dev/full', ['/', devNull, '/dev/full']],
    ] as const
    for (const [redirection, expected] of cases) {
      const { status } = spawnSync('sh', ['-c', `exec ${words(runner, tsrun)} ${redirection}`])
      t.equal(status, STATUS, redirection)
      t.same(found().fds, expected, redirection)
    }
  })

  t.test(`${machine}: finds the engine through links, names and moves`, options, async (t) => {
    const { dir, tsrun, found } = install(t, runner)
    const link = join(t.testdirName, 'link')
    symlinkSync('lib/tsrun', link)
    t.equal(run(runner, [link]).status, STATUS, 'symlink')
    t.equal(found().argv[0], link)
    const renamed = join(dir, 'runc')
    copyFileSync(tsrun, renamed)
    t.equal(run(runner, [renamed]).status, STATUS, 'renamed')
    const moved = join(t.testdirName, 'moved to x')
    renameSync(dir, moved)
    t.equal(run(runner, [join(moved, 'tsrun')]).status, STATUS, 'moved')
    t.equal(found().env[1], `TSRUN_LIB=${moved}`)
  })

  t.test(`${machine}: a large environment and many arguments pass`, options, async (t) => {
    const { tsrun, found } = install(t, runner)
    const names = Array.from({ length: 20_000 }, (_, i) => [`N${i}`, 'value'])
    const args = Array.from({ length: 20_000 }, (_, i) => `argument ${i}`)
    const env = Object.fromEntries([...names, ['BIG', 'x'.repeat(100_000)]])
    const outcome = run(runner, [tsrun, ...args], { env })
    t.match(outcome, { status: STATUS, stderr: '' })
    const { env: got, argv } = found()
    t.same(argv.slice(1), args)
    t.ok(got.includes('N0=value') && got.includes('N19999=value'))
    t.ok(got.some((variable) => variable.length === 100_004))
  })

  t.test(`${machine}: each failure of the exec has its line`, options, async (t) => {
    const { dir, tsrun } = install(t, runner)
    const engine = join(dir, 'tsrun.engine')
    const failure = (text: string) => ({
      status: 127,
      stdout: '',
      stderr: `tsrun: cannot execute ${engine}: ${text}\n`,
    })
    chmodSync(engine, 0o644)
    t.match(run(runner, [tsrun]), failure('permission denied'))
    writeFileSync(engine, 'not a program', { mode: 0o755 })
    chmodSync(engine, 0o755)
    t.match(run(runner, [tsrun]), failure('exec format error'))
    rmSync(engine)
    t.match(run(runner, [tsrun]), failure('no such file or directory'))
    symlinkSync('tsrun.engine', engine)
    t.match(run(runner, [tsrun]), failure('too many levels of symbolic links'))
  })

  t.test(`${machine}: an error without a text is given by number`, options, async (t) => {
    const { dir, tsrun } = install(t, runner)
    const engine = join(dir, 'tsrun.engine')
    const loader = join(dir, 'loader')
    writeFileSync(loader, 'not a program\n'.repeat(100), { mode: 0o755 })
    writeFileSync(engine, withLoader(readFileSync(engine), loader))
    const { stderr } = run(runner, [tsrun])
    t.equal(stderr, `tsrun: cannot execute ${engine}: errno 80\n`, 'ELIBBAD')
  })
}

const needsRoot = { skip: IS_ROOT ? false : 'needs root' }

t.test('without /proc or /dev/null the launcher says so', needsRoot, async (t) => {
  const { dir } = install(t, NATIVE_RUNNER)
  const inRoot = (redirection: string) =>
    spawnSync('sh', ['-c', `exec chroot ${dir} /tsrun ${redirection}`], { encoding: 'utf8' })
  t.match(inRoot(''), {
    status: 127,
    stderr: 'tsrun: cannot read /proc/self/exe: no such file or directory\n',
  })
  t.match(inRoot('<&-'), {
    status: 127,
    stderr: 'tsrun: cannot open /dev/null: no such file or directory\n',
  })
})

t.test('without rights the engine is executed by its path', needsRoot, async (t) => {
  const { dir, tsrun, found } = install(t, NATIVE_RUNNER)
  const { status } = run(NATIVE_RUNNER, [
    'setpriv',
    '--bounding-set=-all',
    '--inh-caps=-all',
    tsrun,
  ])
  t.equal(status, STATUS)
  t.equal(found().exe, join(dir, 'tsrun.engine'))
})

/** Starts an engine that waits; returns its executable, opened through /proc, once it is there. */
async function openRunningEngine(t: Test): Promise<{ exe: number; end: () => Promise<void> }> {
  const { dir, tsrun } = install(t, NATIVE_RUNNER)
  const { machine } = NATIVE_RUNNER
  const buffer: Arg = { bytes: new Uint8Array(8) }
  const waiting: NamedRow[] = [
    ['write', [1, { string: 'ready' }, 5]],
    ['read', [0, buffer, 8]],
    ['exitGroup', [0]],
  ]
  writeFileSync(join(dir, 'tsrun.engine'), buildLastExec(machine, program(machine, waiting)))
  const child = spawn(tsrun, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const exe = openSync(`/proc/${child.pid}/exe`, 'r')
  const end = async () => {
    child.stdin.end()
    await ended
  }
  return { exe, end }
}

t.test('nobody can write the engine through /proc/PID/exe', needsRoot, async (t) => {
  const { exe, end } = await openRunningEngine(t)
  const write = () => closeSync(openSync(`/proc/self/fd/${exe}`, 'r+'))
  try {
    t.throws(write, { code: /^(EROFS|ETXTBSY)$/ }, 'while it runs')
    t.throws(() => chmodSync(`/proc/self/fd/${exe}`, 0o777), { code: 'EROFS' })
    await end()
    t.throws(write, { code: 'EROFS' }, 'after it has ended')
  } finally {
    closeSync(exe)
  }
})
