/** exec --process. */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { running, type TestBundle, withBundle } from '../testing/bundle.ts'
import { furtherWith } from '../testing/exec.ts'
import { processLimit, processStatus } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

/** Writes the text of a process.json. @returns its path */
function file(b: TestBundle, text: string): string {
  const path = join(b.dir, 'process.json')
  writeFileSync(path, text)
  return path
}

t.test('the process is what the file says', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, ({ process }) => {
    process.env = ['PATH=/bin', 'SECRET=1']
    process.user = { uid: 7, gid: 8, additionalGids: [9], umask: 0o27 }
    process.rlimits = [{ type: 'RLIMIT_NOFILE', soft: 100, hard: 200 }]
    process.noNewPrivileges = true
    process.oomScoreAdj = 321
  })
  const minimal = { args: ['/bin/sleep', '1000'], cwd: '/tmp' }
  // options that describe a process do not count beside a file
  const ignored = ['--env', 'A=1', '--user', 'x', '--cwd', 'y', '-g', '-1', '--cap', 'CAP_KILL']
  const path = file(b, JSON.stringify(minimal))
  const pid = await furtherWith(b, ['--process', path, ...ignored], [])
  t.equal(readFileSync(`/proc/${pid}/environ`, 'utf8'), 'HOME=/\0')
  t.equal(processStatus(pid, 'Uid'), '0\t0\t0\t0')
  t.equal(processStatus(pid, 'Groups'), '')
  t.equal(processStatus(pid, 'Umask'), '0027', 'of the container')
  t.equal(processStatus(pid, 'NoNewPrivs'), '0')
  t.equal(processStatus(pid, 'CapBnd'), '0000000020000420', 'of the container')
  t.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'), '321\n', 'of the container')
  t.not(processLimit(pid, 'Max open files').soft, '100')
})

t.test('the file may be a pipe', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  file(b, JSON.stringify({ args: ['/bin/cat'], cwd: '/' }))
  const script =
    '{ echo in | $TSRUN --root $ROOT exec -p /dev/fd/3 $ID; } 3<<X\n$(cat process.json)\nX'
  t.same(await b.shell(`${script}\n`), { code: 0, stdout: 'in\n', stderr: '' })
  const piped = 'cat process.json | $TSRUN --root $ROOT exec -p /dev/stdin $ID'
  t.same(await b.shell(piped), { code: 0, stdout: '', stderr: '' })
})

t.test('a pipe that nothing comes from keeps nobody waiting', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  execFileSync('mkfifo', [join(b.dir, 'pipe')])
  const exec = b.launch('exec', '-p', join(b.dir, 'pipe'), b.id)
  // waits until the other end is open
  const pipe = openSync(join(b.dir, 'pipe'), 'w')
  t.match(await b.tsrun('delete', '-f', b.id), { code: 0 })
  writeFileSync(pipe, '{"args": ["/bin/true"], "cwd": "/"}')
  closeSync(pipe)
  t.match(await exec.ended, { code: 255, stderr: /container does not exist/ })
})

t.test('what is wrong in the file is told with its place', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  const texts: [string, string][] = [
    ['{"args": ["true"],\n "cwd": 5}', 'cwd: found number 5, allowed: string (PATH:2:9)'],
    ['{"args": ["true"],\n\t"cwd": "x"}', 'Cwd must be an absolute path (PATH:2:9)'],
    ['{"args": ["true"]}', 'Cwd property must not be empty (PATH:1:1)'],
    ['{"cwd": "/"}', 'args must not be empty (PATH:1:1)'],
    [
      '{"args": ["true"], "cwd": "/",\n "env": ["A=1",\n "B"]}',
      "invalid environment variable: missing '=' (PATH:3:2)",
    ],
    [
      '{"args": ["true"], "cwd": "/",\n "rlimits": [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]}',
      'wrong rlimit value: RLIMIT_X (PATH:2:23)',
    ],
    [
      '{"args": ["true"], "cwd": "/",\n "execCPUAffinity": {"initial": "x"}}',
      'bad CPUAffinity.Initial: "x" is not a number or a range (PATH:2:33)',
    ],
    [
      '{"args": ["true"], "cwd": "/",\n "execCPUAffinity": {"initial": "4000"}}',
      'unable to start container process: sched_setaffinity 0x.*: invalid argument (PATH:2:33)',
    ],
    [
      '{"args": ["/bin/true"], "cwd": "/",\n "execCPUAffinity": {"final": "4000"}}',
      'unable to start container process: sched_setaffinity: invalid argument (PATH:2:31)',
    ],
    ['{"args": ["true"', 'PATH:1:'],
  ]
  for (const [text, message] of texts) {
    const path = file(b, text)
    const { code, stderr } = await b.tsrun('exec', '-p', path, b.id)
    t.equal(code, 255, text)
    const pattern = message.replaceAll(/[.()[\]?]/g, '\\$&').replaceAll('\\.*', '.*')
    const escaped = pattern.replaceAll('"', '\\\\"')
    t.match(stderr, new RegExp(`exec failed: .*${escaped.replace('PATH', path)}`), text)
  }
  t.match(await b.tsrun('exec', '-p', join(b.dir, 'none'), b.id), {
    code: 255,
    stderr: /exec failed: open .*none: no such file or directory/,
  })
})

/** @see ioprio_get(2) */
const IDLE = 'idle'

t.test('scheduling: CPUs, policy, input and output', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, ({ process }) => {
    process.scheduler = { policy: 'SCHED_BATCH', nice: 5 }
    process.ioPriority = { class: 'IOPRIO_CLASS_BE', priority: 4 }
    process.execCPUAffinity = { initial: '0', final: '0' }
  })
  const inherited = await furtherWith(b, [], ['sleep', '1000'])
  t.same(schedulingOf(inherited), { policy: 3, nice: 5 })
  t.equal(processStatus(inherited, 'Cpus_allowed_list'), '0')
  t.match(await b.tsrun('exec', b.id, 'ionice'), { stdout: /best-effort: prio 4/ })

  const text = JSON.stringify({
    args: ['/bin/sleep', '1000'],
    cwd: '/',
    scheduler: {
      policy: 'SCHED_DEADLINE',
      flags: ['SCHED_FLAG_RESET_ON_FORK'],
      runtime: 1_000_000,
      deadline: 10_000_000,
      period: 10_000_000,
    },
    execCPUAffinity: {},
  })
  const deadline = await furtherWith(b, ['--process', file(b, text)], [])
  t.same(schedulingOf(deadline).policy, 6)
  t.equal(
    processStatus(deadline, 'Cpus_allowed_list'),
    processStatus(1, 'Cpus_allowed_list'),
    'every CPU',
  )
  const idle = JSON.stringify({
    args: ['/bin/ionice'],
    cwd: '/',
    ioPriority: { class: 'IOPRIO_CLASS_IDLE' },
  })
  t.match(await b.tsrun('exec', '-p', file(b, idle), b.id), { stdout: new RegExp(IDLE) })
  const { stderr } = await b.tsrun('--debug', 'exec', b.id, 'true')
  t.match(stderr, /nsexec[^"]*: affinity: 0x1"/)
})

/** Fields 41 and 19 of proc_pid_stat(5). */
function schedulingOf(pid: number): { policy: number; nice: number } {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { policy: Number(fields[38]), nice: Number(fields[16]) }
}

t.test('a scheduler that the kernel refuses: nothing has run', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  const scheduler = {
    policy: 'SCHED_DEADLINE',
    runtime: 2 ** 62,
    deadline: 2 ** 62,
    period: 2 ** 62,
  }
  const process = { args: ['/bin/touch', '/tmp/ran'], cwd: '/', scheduler }
  const { code, stderr } = await b.tsrun('exec', '-p', file(b, JSON.stringify(process)), b.id)
  t.equal(code, 255)
  t.match(stderr, /exec failed: unable to start container process: sched_setattr: .*:1:\d+\)/)
  t.equal((await b.tsrun('exec', b.id, 'ls', '/tmp')).stdout, '')
})
