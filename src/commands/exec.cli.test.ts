/** What a further process of a container is, as the kernel has it, and how exec ends. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { running, type TestBundle, withBundle } from '../testing/bundle.ts'
import { further, furtherWith } from '../testing/exec.ts'
import {
  eventually,
  isRunning,
  namespaceOf,
  processLimit,
  processStatus,
} from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()
const KINDS = ['mnt', 'uts', 'ipc', 'net', 'pid', 'cgroup', 'user', 'time']

/** Text of a process's environment, one a line, sorted. */
function environment(pid: number): string[] {
  return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean).sort()
}

/** The five sets, as hexadecimal numbers without leading zeros. */
function capabilities(pid: number): string[] {
  const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']
  return sets.map((set) => processStatus(pid, set).replace(/^0+(?=.)/, ''))
}

t.test('it is in all namespaces of the first process', { skip }, async (t) => {
  const b = await withBundle(t)
  const types = ['pid', 'network', 'ipc', 'uts', 'mount', 'cgroup', 'time']
  const first = await running(b, ({ linux }) => {
    linux.namespaces = types.map((type) => ({ type }))
  })
  const pid = await further(b)
  for (const kind of KINDS) t.equal(namespaceOf(pid, kind), namespaceOf(first, kind), kind)
  t.not(namespaceOf(pid, 'time'), namespaceOf('self', 'time'))
  t.equal(processStatus(pid, 'NSpid').split('\t').length, 2)
})

t.test(
  'without namespaces of its own it is in the caller’s, below the root',
  { skip },
  async (t) => {
    const b = await withBundle(t)
    const first = await running(b, (spec) => {
      spec.linux.namespaces = []
      spec.root.readonly = false
      spec.mounts = []
      delete spec.hostname
      delete spec.linux.maskedPaths
      delete spec.linux.readonlyPaths
    })
    const pid = await furtherWith(b, ['--cwd', '/tmp'], ['/bin/sleep', '1000'])
    for (const kind of KINDS) t.equal(namespaceOf(pid, kind), namespaceOf('self', kind), kind)
    t.equal(readlinkSync(`/proc/${pid}/root`), b.rootfs)
    t.equal(readlinkSync(`/proc/${first}/root`), b.rootfs)
    t.equal(readlinkSync(`/proc/${pid}/cwd`), join(b.rootfs, 'tmp'))
  },
)

t.test('it inherits what the configuration says', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, ({ process }) => {
    process.env = ['PATH=/bin', 'A=1']
    process.cwd = '/tmp'
    process.user = { uid: 7, gid: 8, additionalGids: [9], umask: 0o27 }
    process.rlimits = [{ type: 'RLIMIT_NOFILE', soft: 100, hard: 200 }]
    process.noNewPrivileges = true
    process.oomScoreAdj = 321
    process.capabilities = { bounding: ['CAP_KILL', 'CAP_CHOWN'] }
  })
  const pid = await further(b)
  t.equal(processStatus(pid, 'Uid'), '7\t7\t7\t7')
  t.equal(processStatus(pid, 'Gid'), '8\t8\t8\t8')
  t.equal(processStatus(pid, 'Groups'), '9')
  t.equal(processStatus(pid, 'Umask'), '0027')
  t.equal(processStatus(pid, 'NoNewPrivs'), '1')
  t.same(capabilities(pid), ['0', '0', '0', '21', '0'])
  t.same(processLimit(pid, 'Max open files'), { soft: '100', hard: '200' })
  t.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'), '321\n')
  t.equal(readlinkSync(`/proc/${pid}/cwd`), '/tmp')
  t.same(environment(pid), ['A=1', 'HOME=/', 'PATH=/bin'])
  for (const set of ['SigIgn', 'SigBlk']) t.match(processStatus(pid, set), /^0+$/, set)
})

t.test('flags change it', { skip }, async (t) => {
  const b = await withBundle(t, {
    populate: (rootfs) =>
      writeFileSync(join(rootfs, 'etc/passwd'), 'u:x:2000:2:U:/home/u:/bin/sh\n'),
  })
  await running(b, ({ process }) => {
    process.env = ['PATH=/bin', 'A=1']
    process.user = { uid: 0, gid: 5 }
    process.noNewPrivileges = true
    const only = ['CAP_KILL']
    process.capabilities = { bounding: only, effective: only, permitted: only }
  })
  const groups = ['-g', '100', '--additional-gids', '65534']
  const user = await further(b, '--user', '2000', ...groups, '-e', 'A=2', '--env', 'B=x y')
  t.equal(processStatus(user, 'Uid'), '2000\t2000\t2000\t2000')
  t.equal(processStatus(user, 'Gid'), '5\t5\t5\t5', 'as configured')
  t.equal(processStatus(user, 'Groups'), '100 65534')
  t.same(environment(user), ['A=2', 'B=x y', 'HOME=/home/u', 'PATH=/bin'])

  const more = ['--cap', 'CAP_NET_RAW', '-c', 'CAP_CHOWN', '--cwd', '/root']
  const root = await further(b, '-u', '0:0', '--no-new-privs=false', ...more)
  t.equal(processStatus(root, 'Gid'), '0\t0\t0\t0')
  t.equal(processStatus(root, 'NoNewPrivs'), '0')
  t.same(capabilities(root), ['0', '2021', '2021', '2021', '0'])
  t.equal(readlinkSync(`/proc/${root}/cwd`), '/root')
  const other = await further(b, '--user', '2000', '--cap', 'CAP_NET_RAW')
  t.same(capabilities(other), ['0', '0', '0', '2020', '0'], 'nothing for another user (T-07)')
})

t.test('--cap without effect is a warning', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  const { code, stderr } = await b.tsrun('exec', '--cap', 'CAP_FLY', b.id, 'true')
  t.equal(code, 0)
  t.match(stderr, /ignoring unknown or unavailable capabilities: \[CAP_FLY\]/)
})

t.test('standard streams and the exit status are the program’s', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  const script = 'read a; echo "out $a $0"; echo err >&2; ls /proc/self/fd; exit 42'
  const options = { input: 'in\n' }
  const ran = await b.tsrunWith(options, 'exec', b.id, 'sh', '-c', script, '--tty', '-d')
  // the directory that is listed is one more
  t.same(ran, { code: 42, stdout: 'out in --tty\n0\n1\n2\n3\n', stderr: 'err\n' })
  t.equal((await b.tsrun('exec', b.id, 'sh', '-c', 'kill -9 $$')).code, 128 + 9)
  t.equal((await b.tsrun('exec', b.id, 'true')).code, 0)
  t.match(await b.state(), { status: 'running' })
})

t.test('signals are passed on', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  const script =
    'trap "echo usr1" USR1; trap "exit 7" TERM; echo ready; while :; do sleep 0.02; done'
  const exec = b.launch('exec', b.id, 'sh', '-c', script)
  await eventually('it is ready', () => exec.stdout() === 'ready\n')
  exec.child.kill('SIGWINCH')
  exec.child.kill('SIGUSR1')
  await eventually('it has got it', () => exec.stdout() === 'ready\nusr1\n')
  exec.child.kill('SIGTERM')
  t.equal((await exec.ended).code, 7)
})

t.test('tsrun is killed in the foreground: the process goes on', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  const file = join(b.dir, 'x.pid')
  const exec = b.launch('exec', '--pid-file', file, b.id, 'sleep', '1000')
  await eventually(
    'it runs',
    () => existsSync(file) && runsSleep(Number(readFileSync(file, 'utf8'))),
  )
  exec.child.kill('SIGKILL')
  t.equal((await exec.ended).code, 128 + 9)
  t.ok(isRunning(Number(readFileSync(file, 'utf8'))))
})

function runsSleep(pid: number): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sleep')
}

t.test(
  'standard streams are given to its user, but not the host’s null device',
  { skip },
  async (t) => {
    const b = await withBundle(t)
    await running(b, () => {})
    const script =
      '$TSRUN --root $ROOT exec -u 1000 $ID sh -c "echo out >/dev/stdout" </dev/null | cat'
    t.same(await b.shell(script), { code: 0, stdout: 'out\n', stderr: '' })
    const pid = await further(b, '--user', '1000')
    t.equal(statSync('/dev/null').uid, 0)
    t.equal(statSync(`/proc/${pid}/fd/0`).uid, 0, 'nor the container’s')
  },
)

t.test('a caller that ignores and blocks signals', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  const { code, stdout } = await b.shell(
    `trap '' CHLD USR1 PIPE; $TSRUN --root $ROOT exec $ID sh -c 'grep ^Sig /proc/self/status; exit 3'`,
  )
  t.equal(code, 3)
  t.match(stdout, /^SigIgn:\s0+$/m)
  t.match(stdout, /^SigBlk:\s0+$/m)
})

t.test('--detach leaves it running; the pid file is the caller’s view', { skip }, async (t) => {
  const b = await withBundle(t)
  const first = await running(b, () => {})
  mkdirSync(join(b.dir, 'elsewhere'))
  const cwd = join(b.dir, 'elsewhere')
  const words = ['exec', '-d', '--pid-file', 'x.pid', b.id, 'sleep', '1000']
  t.same(await b.tsrunWith({ cwd }, ...words), { code: 0, stdout: '', stderr: '' })
  const pid = Number(readFileSync(join(cwd, 'x.pid'), 'utf8'))
  t.not(pid, first)
  t.equal(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), 'sleep\x001000\0', 'it is executed')
  t.equal(readlinkSync(`/proc/${pid}/exe`), '/bin/busybox')
  t.same(readdirSync(`/proc/${pid}/fd`), ['0', '1', '2'])
  t.equal(processStatus(pid, 'NSsid').split('\t')[1], processStatus(pid, 'NSpid').split('\t')[1])
})

t.test('a pid file that cannot be written: nothing has run', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  const words = ['exec', '--pid-file', join(b.dir, 'none/x.pid'), b.id, 'touch', '/tmp/ran']
  const { code, stderr } = await b.tsrun(...words)
  t.equal(code, 255)
  t.match(stderr, /exec failed: open .*no such file or directory/)
  t.equal((await b.tsrun('exec', b.id, 'ls', '/tmp')).stdout, '')
})

t.test('in a container that waits for its start', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  t.match(await b.tsrun('exec', b.id, 'echo', 'here'), { code: 0, stdout: 'here\n', stderr: '' })
  t.match(await b.state(), { status: 'created' })
})

t.test('a paused container: an error, or a wait', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  await b.tsrun('pause', b.id)
  const refused = await b.tsrun('exec', b.id, 'true')
  t.equal(refused.code, 255)
  const text = 'exec failed: cannot exec in a paused container (use --ignore-paused to override)'
  t.ok(refused.stderr.includes(text), refused.stderr)
  const exec = b.launch('exec', '--ignore-paused', b.id, 'echo', 'resumed')
  let hasEnded = false
  void exec.ended.then(() => {
    hasEnded = true
  })
  await new Promise((done) => setTimeout(done, 300))
  t.notOk(hasEnded)
  await b.tsrun('resume', b.id)
  t.match(await exec.ended, { code: 0, stdout: 'resumed\n' })
})

async function errorOf(b: TestBundle, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await b.tsrun('exec', ...words)
  if (code !== 255 || stdout !== '') throw new Error(`code ${code}, output ${stdout}`)
  return JSON.parse(`"${/msg="(.*)"\n$/.exec(stderr)?.[1] ?? ''}"`) as string
}

t.test('what cannot be started, in runc’s words', { skip }, async (t) => {
  const b = await withBundle(t, {
    populate(rootfs) {
      writeFileSync(join(rootfs, 'text'), 'text', { mode: 0o644 })
      writeFileSync(join(rootfs, 'script'), '#!/nowhere\n', { mode: 0o755 })
    },
  })
  const first = await running(b, () => {})
  const start = 'exec failed: unable to start container process: '
  const { id } = b
  const errors: [string[], string][] = [
    [[id, 'nope'], `${start}exec: "nope": executable file not found in $PATH`],
    [[id, '/nope'], `${start}exec: "/nope": stat /nope: no such file or directory`],
    [[id, '/text'], `${start}exec: "/text": permission denied`],
    [[id, '/tmp'], `${start}exec: "/tmp": is a directory`],
    [['--cwd', 'tmp', id, 'true'], 'exec failed: Cwd must be an absolute path'],
    [['-u', 'root', id, 'true'], 'exec failed: bad uid: parsing "root": invalid syntax'],
    [['-u', '1:', id, 'true'], 'exec failed: bad gid: parsing "": invalid syntax'],
    [['-g', '-5', id, 'true'], 'exec failed: additional-gids must be a positive number -5'],
    [['-e', 'A', id, 'true'], "exec failed: invalid environment variable: missing '='"],
    [[id], 'exec failed: exec args cannot be empty'],
    [['none', 'true'], 'exec failed: container does not exist'],
    [['', 'true'], 'exec failed: container id cannot be empty'],
  ]
  for (const [words, text] of errors) t.equal(await errorOf(b, ...words), text)
  const cwd = await errorOf(b, '--cwd', '/nope', id, 'true')
  t.match(cwd, /chdir to cwd \("\/nope"\) set in config.json failed: .*no such file or directory/)
  t.same(await b.tsrun('exec', id, '/script'), {
    code: 255,
    stdout: '',
    stderr: 'exec /script: no such file or directory\n',
  })
  t.match(await b.tsrun('exec'), { code: 1, stderr: /requires a minimum of 1 argument/ })
  t.match(await b.tsrun('exec', '-g', 'x', id, 'true'), {
    code: 1,
    stderr: /invalid value "x" for flag -g: strconv.ParseInt/,
  })
  t.match(await b.state(), { status: 'running' }, 'the container is as it was')
  await b.tsrun('kill', id, 'KILL')
  await eventually('it has stopped', () => !isRunning(first))
  t.equal(await errorOf(b, id, 'true'), 'exec failed: cannot exec in a stopped container')
})
