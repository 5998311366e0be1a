import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { errnoText } from '../sys/errno.ts'
import { generateLastExec } from './generate.ts'
import { buildLastExec, decodeRecord } from './last-exec.ts'
import { type Arg, EXIT_ON_SIGNAL } from './program.ts'
import { NATIVE_RUNNER, type NamedRow, program, RUNNERS, rows, run, runRows } from './testing.ts'

const AT_FDCWD = -100
const O_CREAT_WRONLY = 0o101
const ENOENT = 2
const EBADF = 9
const EINVAL = 22
const SIGCHLD = 17
/** Refused without CLONE_VM. */
const CLONE_SIGHAND_ALONE = 0x800 | SIGCHLD
const MISSING: Arg = { string: '/nonexistent/file' }

function say(text: string): NamedRow {
  return ['write', [1, { string: text }, text.length]]
}

t.test('generated/last-exec.ts is what generate.ts makes', async (t) => {
  const committed = readFileSync(join(import.meta.dirname, 'generated/last-exec.ts'), 'utf8')
  t.equal(committed, generateLastExec(), 'run: bun bin/generate-stub.ts')
})

for (const runner of RUNNERS) {
  const { machine, skip } = runner
  const options = { skip }

  t.test(`${machine}: rows run in order, then exit 255`, options, async (t) => {
    const outcome = runRows(runner, join(t.testdir(), 'stub'), [say('a'), say('b')])
    t.match(outcome, { status: 255, stdout: 'ab', stderr: '' })
    t.equal(outcome.report.length, 0)
  })

  t.test(`${machine}: a result becomes an argument of a later row`, options, async (t) => {
    const path = join(t.testdir(), 'written')
    const outcome = runRows(runner, join(t.testdirName, 'stub'), [
      ['openat', [AT_FDCWD, { string: path }, O_CREAT_WRONLY, 0o600], 'fatal', { row: 1, arg: 0 }],
      ['write', [-1, { string: 'chained' }, 7]],
    ])
    t.equal(outcome.report.length, 0)
    t.equal(readFileSync(path, 'utf8'), 'chained')
  })

  t.test(`${machine}: an ignored error leaves the later argument as it is`, options, async (t) => {
    const outcome = runRows(runner, join(t.testdir(), 'stub'), [
      ['openat', [AT_FDCWD, MISSING, 0], 'ignore', { row: 1, arg: 0 }],
      ['write', [1, { string: 'default' }, 7]],
    ])
    t.match(outcome, { stdout: 'default' })
    t.equal(outcome.report.length, 0)
  })

  t.test(`${machine}: a fatal error is reported by row and ends`, options, async (t) => {
    const outcome = runRows(runner, join(t.testdir(), 'stub'), [
      say('before'),
      ['openat', [AT_FDCWD, MISSING, 0], 'fatal'],
      say('after'),
    ])
    t.match(outcome, { status: 255, stdout: 'before', stderr: '' })
    t.same(decodeRecord(outcome.report), { row: 1, errno: ENOENT })
  })

  t.test(`${machine}: a warning is reported and the next row runs`, options, async (t) => {
    const outcome = runRows(runner, join(t.testdir(), 'stub'), [
      ['openat', [AT_FDCWD, MISSING, 0], 'warn'],
      ['write', [77, { string: '' }, 0], 'warn'],
      say('after'),
    ])
    t.match(outcome, { status: 255, stdout: 'after' })
    t.same(decodeRecord(outcome.report.subarray(0, 16)), { row: 0, errno: ENOENT })
    t.same(decodeRecord(outcome.report.subarray(16)), { row: 1, errno: EBADF })
  })

  t.test(`${machine}: a warning leaves SIGPIPE as it was`, options, async (t) => {
    const outcome = runRows(runner, join(t.testdir(), 'stub'), [
      ['openat', [AT_FDCWD, MISSING, 0], 'warn'],
      ['getpid', [], 'fatal', { row: 2, arg: 0 }],
      ['kill', [0, 13]],
      say('not reached'),
    ])
    t.match(outcome, { signal: 'SIGPIPE', stdout: '' })
  })

  t.test(`${machine}: fatal-or-zero takes data, reports end of file`, options, async (t) => {
    const buffer: Arg = { bytes: new Uint8Array(8) }
    const echo: NamedRow[] = [
      ['read', [0, buffer, 8], 'fatal-or-zero', { row: 1, arg: 2 }],
      ['write', [1, buffer, 0]],
    ]
    const stub = join(t.testdir(), 'stub')
    t.match(runRows(runner, stub, echo, { input: 'input' }), { stdout: 'input' })
    const atEnd = runRows(runner, stub, echo, { input: '' })
    t.match(atEnd, { status: 255, stdout: '' })
    t.same(decodeRecord(atEnd.report), { row: 0, errno: 0 })
    const failed = runRows(runner, stub, [['read', [77, buffer, 8], 'fatal-or-zero']])
    t.same(decodeRecord(failed.report), { row: 0, errno: EBADF })
  })

  t.test(
    `${machine}: a fork goes on in the child, and the parent tells of it`,
    options,
    async (t) => {
      const stub = join(t.testdir(), 'stub')
      const parent = runRows(runner, stub, [
        ['clone', [SIGCHLD], 'fork'],
        say('child'),
        ['exitGroup', [7]],
      ])
      t.match(parent, { status: 255, stdout: 'child', stderr: '' })
      const { row, errno } = decodeRecord(parent.report)
      t.equal(row, 0)
      t.ok(errno < 0, 'its process id, negated')
      const failed = runRows(runner, stub, [
        ['clone', [CLONE_SIGHAND_ALONE], 'fork'],
        say('not reached'),
      ])
      t.match(failed, { status: 255, stdout: '' })
      t.same(decodeRecord(failed.report), { row: 0, errno: EINVAL })
    },
  )

  t.test(`${machine}: exit 255 although nobody reads the report`, options, async (t) => {
    const dir = t.testdir()
    const failing: NamedRow[] = [['openat', [AT_FDCWD, MISSING, 0], 'fatal']]
    const stub = join(dir, 'stub')
    writeFileSync(stub, buildLastExec(machine, program(machine, failing)), { mode: 0o755 })
    const command = [...runner.prefix, stub].join(' ')
    const closed = spawnSync('sh', ['-c', `${command} 3>&-`])
    t.equal(closed.status, 255, 'closed descriptor')
    spawnSync('sh', ['-c', `{ sleep 0.2; ${command} 3>&1; echo $? >${dir}/status; } | :`])
    t.equal(readFileSync(join(dir, 'status'), 'utf8'), '255\n', 'broken pipe')
  })

  t.test(`${machine}: execve passes arguments and environment`, options, async (t) => {
    const env = Array.from({ length: 3000 }, (_, i) => `NAME_${i}=${'ü'.repeat(200)}`)
    const outcome = runRows(runner, join(t.testdir(), 'stub'), [
      [
        'execve',
        [
          { string: '/bin/sh' },
          { strings: ['name', '-c', 'printf "%s|" "$0" "$@"; env', 'zero', 'two words', ''] },
          { strings: [...env, 'PATH=/usr/bin:/bin'] },
        ],
        'final',
      ],
    ])
    t.equal(outcome.status, 0)
    t.ok(outcome.stdout.startsWith('zero|two words||'))
    t.same(outcome.stdout.match(/^NAME_2999=.*$/m)?.[0], env.at(-1))
    t.equal(outcome.stdout.match(/NAME_\d+=/g)?.length, 3000)
  })

  t.test(`${machine}: a failed execve is one line on descriptor 2`, options, async (t) => {
    const dir = t.testdir({ text: 'neither a script nor a program' })
    const fail = (path: string) =>
      runRows(runner, join(dir, 'stub'), [
        ['execve', [{ string: path }, { strings: ['x'] }, { strings: [] }], 'final'],
        say('not reached'),
      ])
    const missing = fail('/nonexistent/file')
    t.match(missing, { status: 255, stdout: '' })
    t.equal(missing.stderr, 'exec /run.sh: no such file or directory\n')
    t.equal(missing.report.length, 0)
    t.equal(fail(join(dir, 'text')).stderr, 'exec /run.sh: permission denied\n')
    t.equal(fail(`${dir}/text/x`).stderr, 'exec /run.sh: not a directory\n')
  })

  t.test(`${machine}: the signal handler exits with 128 + signal`, options, async (t) => {
    const outcome = runRows(runner, join(t.testdir(), 'stub'), [
      ['rtSigaction', [15, EXIT_ON_SIGNAL, 0, 8]],
      ['getpid', [], 'fatal', { row: 2, arg: 0 }],
      ['kill', [0, 15]],
      say('not reached'),
    ])
    t.match(outcome, { status: 143, signal: null, stdout: '' })
  })
}

/** A seccomp filter that lets getppid(2) fail with `errno`, as `struct sock_fprog`. */
function failGetppid(nr: number, errno: number): Arg {
  const instructions = [
    [0x20, 0, 0, 0], // load the call's number
    [0x15, 0, 1, nr], // skip the next one unless it is getppid
    [0x06, 0, 0, 0x50000 | errno], // SECCOMP_RET_ERRNO
    [0x06, 0, 0, 0x7fff0000], // SECCOMP_RET_ALLOW
  ] as const
  const bytes = Buffer.alloc(8 * instructions.length)
  for (const [i, [code, jt, jf, k]] of instructions.entries()) {
    bytes.writeUInt16LE(code, 8 * i)
    bytes.writeUInt8(jt, 8 * i + 2)
    bytes.writeUInt8(jf, 8 * i + 3)
    bytes.writeUInt32LE(k, 8 * i + 4)
  }
  return { words: [instructions.length, { bytes }] }
}

t.test('a seccomp filter is loaded; each error number has its text', async (t) => {
  const stub = join(t.testdir(), 'stub')
  const [getppid] = rows(NATIVE_RUNNER.machine, [['getppid', []]])
  for (const errno of [1, 2, 13, 41, 58, 132, 133, 134, 4095]) {
    const { stderr } = runRows(NATIVE_RUNNER, stub, [
      ['prctl', [38, 1, 0, 0, 0]], // PR_SET_NO_NEW_PRIVS
      ['seccomp', [1, 0, failGetppid(getppid?.nr ?? -1, errno)]], // SECCOMP_SET_MODE_FILTER
      ['getppid', [], 'final'],
    ])
    const words = errnoText(errno).replace(/^unknown error .*/, 'unknown error')
    t.equal(stderr, `exec /run.sh: ${words}\n`, `error ${errno}`)
  }
})

t.test('a stub runs from a sealed memfd, loaded by another', async (t) => {
  const { machine } = NATIVE_RUNNER
  const link: Arg = { bytes: new Uint8Array(64) }
  const inner = buildLastExec(
    machine,
    program(machine, [
      ['readlinkat', [-100, { string: '/proc/self/exe' }, link, 64], 'fatal', { row: 1, arg: 2 }],
      ['write', [1, link, 0]],
      ['exitGroup', [5]],
    ]),
  )
  const image: Arg = { bytes: inner }
  const outcome = runRows(NATIVE_RUNNER, join(t.testdir(), 'loader'), [
    ['memfdCreate', [{ string: 'inner' }, 3], 'fatal', { row: 1, arg: 0 }],
    ['dup3', [-1, 100, 0o2000000]],
    ['write', [100, image, inner.length]],
    ['fcntl', [100, 1033, 15]], // F_ADD_SEALS: seal, shrink, grow, write
    ['write', [100, image, 1], 'warn'],
    ['execveat', [100, { string: '' }, { strings: ['inner'] }, { strings: [] }, 0x1000], 'final'],
  ])
  t.match(outcome, { status: 5, stdout: '/memfd:inner (deleted)', stderr: '' })
  t.same(decodeRecord(outcome.report), { row: 4, errno: 1 }, 'sealed: EPERM')
})

t.test('64-bit arguments reach the kernel whole', async (t) => {
  const words: Arg = { words: [-1, -2n, 2 ** 52 + 3, 0xffffffffffffffffn, { words: [7] }] }
  const outcome = runRows(NATIVE_RUNNER, join(t.testdir(), 'stub'), [['write', [3, words, 40]]])
  const got = [0, 1, 2, 3].map((i) => outcome.report.readBigUInt64LE(8 * i))
  const all = 0xffffffffffffffffn
  t.same(got, [all, all - 1n, 2n ** 52n + 3n, all])
})

t.test('buildLastExec() refuses what the kernel would take for something else', async (t) => {
  const { machine } = NATIVE_RUNNER
  const build = (args: Arg[], dst?: { row: number; arg: number }) =>
    buildLastExec(machine, program(machine, [['write', args, 'fatal', dst]]))
  t.throws(() => build([{ string: 'a\0b' }]), /NUL byte/)
  t.throws(() => build([{ strings: ['a\0b'] }]), /NUL byte/)
  t.throws(() => build([1.5]), /not an integer/)
  t.throws(() => build([Number.NaN]), /not an integer/)
  t.throws(() => build([1, 2, 3, 4, 5, 6, 7]), /7 arguments/)
  t.throws(() => build([], { row: 1, arg: 0 }), /no argument 0 of row 1/)
  t.throws(() => build([], { row: 0, arg: 6 }), /no argument 6 of row 0/)
})

t.test('decodeRecord() refuses what is not a record', async (t) => {
  t.throws(() => decodeRecord(new Uint8Array(16)), RangeError)
  t.throws(() => decodeRecord(new Uint8Array(8)), RangeError)
})

t.test('a large environment makes a large image', async (t) => {
  const big = { strings: Array.from({ length: 40 }, () => 'x'.repeat(50_000)) }
  const path = join(t.testdir(), 'stub')
  const { machine } = NATIVE_RUNNER
  const image = buildLastExec(machine, program(machine, [['write', [1, big, 8]], say('end')]))
  t.ok(image.length > 2_000_000)
  writeFileSync(path, image, { mode: 0o755 })
  t.ok(run(NATIVE_RUNNER, [path]).stdout.endsWith('end'))
})
