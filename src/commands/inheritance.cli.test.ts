/** What a container gets of the runtime, and of whoever called it: only what is its own. */
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type TestBundle, withBundle } from '../testing/bundle.ts'
import { processLimit, processStatus } from '../testing/kernel.ts'
import { needs, needsContainers } from '../testing/needs.ts'

const skip = needsContainers()
const EMPTY_SET = '0000000000000000'

/** Creates a container by a shell script that precedes the command. @returns its process id */
async function createdBy(b: TestBundle, caller: string, after = ''): Promise<number> {
  await b.tsrun('delete', '--force', b.id)
  const { code, stderr } = await b.shell(`${caller} "$TSRUN" --root "$ROOT" create "$ID" ${after}`)
  if (code !== 0 || stderr !== '') throw new Error(`${code}: ${stderr}`)
  return (await b.state()).pid
}

async function startedBy(b: TestBundle, caller: string, after = ''): Promise<number> {
  const pid = await createdBy(b, caller, after)
  const { code, stderr } = await b.tsrun('start', b.id)
  if (code !== 0) throw new Error(stderr)
  for (let tries = 0; processStatus(pid, 'Name') !== 'sleep'; tries++) {
    if (tries > 1000) throw new Error('the program was not executed')
  }
  return pid
}

t.test(
  'signals: defaults and an empty mask, whatever the caller has (H-08, H-09)',
  { skip },
  async (t) => {
    const b = await withBundle(t)
    const callers = [
      '',
      "trap '' INT QUIT PIPE USR1 TERM HUP CHLD;",
      'env --block-signal=USR2,TERM,CHLD,INT,PIPE',
      'env --ignore-signal=PIPE,CHLD --block-signal',
    ]
    for (const caller of callers) {
      const pid = await startedBy(b, caller)
      t.equal(processStatus(pid, 'SigIgn'), EMPTY_SET, `ignored after ${caller || 'nothing'}`)
      t.equal(processStatus(pid, 'SigBlk'), EMPTY_SET, `blocked after ${caller || 'nothing'}`)
      t.equal(processStatus(pid, 'SigCgt'), EMPTY_SET, 'caught')
      t.equal(processStatus(pid, 'SigPnd'), EMPTY_SET, 'pending')
      t.equal(processStatus(pid, 'ShdPnd'), EMPTY_SET, 'pending')
    }
  },
)

t.test('a waiting container is small, and not the runtime (T-01)', { skip }, async (t) => {
  const b = await withBundle(t)
  const pid = await createdBy(b, '')
  t.match(readlinkSync(`/proc/${pid}/exe`), /^\/memfd:/)
  t.equal(processStatus(pid, 'Threads'), '1')
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const rss = Number(/^Rss:\s+(\d+) kB/m.exec(rollup)?.[1])
  const tables = Number.parseInt(processStatus(pid, 'VmPTE'), 10)
  t.ok(rss + tables <= 64, `resident ${rss} kB, page tables ${tables} kB`)
  t.equal(processStatus(pid, 'SigIgn'), EMPTY_SET)
  // as first process of a pid namespace it would be deaf to what it does not catch
  const caught = 0x4007n
  t.equal(BigInt(`0x${processStatus(pid, 'SigCgt')}`) & ~caught, 0n, 'HUP, INT, QUIT, TERM at most')
  t.equal(statSync(`/proc/${pid}/fd`).uid, 0)
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8')
  t.notMatch(maps, /tsrun\.engine|koffi/)
})

t.test(
  'a waiting container of a user is out of the reach of that user (H-01)',
  { skip },
  async (t) => {
    const b = await withBundle(t, {
      configure: ({ process }) => {
        process.user = { uid: 1000, gid: 1000 }
      },
    })
    const pid = await createdBy(b, '')
    t.match(processStatus(pid, 'Uid'), /^1000\s/)
    t.equal(statSync(`/proc/${pid}/fd`).uid, 0, 'not dumpable')
  },
)

t.test(
  'descriptors: 0, 1 and 2 only (T-09, H-17)',
  { skip: skip || needs('command bash') },
  async (t) => {
    const b = await withBundle(t)
    const pid = await startedBy(b, `bash -c 'exec "$@" 9< /etc/passwd 20> leak 7< /' bash`)
    t.same(readdirSync(`/proc/${pid}/fd`).sort(), ['0', '1', '2'])
    t.same(await b.tsrun('delete', '-f', b.id), { code: 0, stdout: '', stderr: '' })
    b.reconfigure(({ process }) => {
      process.args = ['ls', '/proc/self/fd']
    })
    const { stdout } = await b.shell('"$TSRUN" --root "$ROOT" run "$ID" 5< /etc/passwd 3< /')
    t.equal(stdout, '0\n1\n2\n3\n', 'the last is of ls itself')
  },
)

t.test('limits: the soft number of descriptors is the caller’s (H-10)', { skip }, async (t) => {
  const b = await withBundle(t, {
    configure: ({ process }) => {
      process.rlimits = []
    },
  })
  const pid = await startedBy(b, 'ulimit -Sn 999; ulimit -Sc 0; ulimit -Ss 4096;')
  t.equal(processLimit(pid, 'Max open files').soft, '999')
  t.equal(processLimit(pid, 'Max open files').hard, processLimit('self', 'Max open files').hard)
  t.equal(processLimit(pid, 'Max stack size').soft, `${4096 * 1024}`)
  t.equal(processLimit(pid, 'Max core file size').soft, '0')
})

t.test(
  'environment: nothing of the caller, and no effect on the runtime (H-16, H-24)',
  { skip },
  async (t) => {
    const b = await withBundle(t, {
      args: ['/bin/env'],
      configure: ({ process }) => {
        process.env = ['ONLY=this', 'HOME=/']
      },
    })
    const evil = join(b.dir, 'evil.js')
    writeFileSync(evil, "require('node:fs').writeFileSync('pwned', '')\n")
    for (const name of ['index.js', 'preload.ts'])
      writeFileSync(join(b.dir, name), readFileSync(evil))
    writeFileSync(join(b.dir, '.env'), 'BUN_OPTIONS=--preload ./evil.js\nONLY=dotenv\n')
    writeFileSync(join(b.dir, 'bunfig.toml'), 'preload = ["./evil.js"]\n')
    writeFileSync(join(b.dir, 'package.json'), '{"main":"evil.js","type":"commonjs"}')
    const variables = {
      NODE_OPTIONS: `--require=${evil}`,
      BUN_OPTIONS: `--preload=${evil}`,
      BUN_BE_BUN: '1',
      BUN_INSPECT: '1',
      LD_PRELOAD: '/no/such/library.so',
      LD_LIBRARY_PATH: b.dir,
      NODE_PATH: b.dir,
      GLIBC_TUNABLES: 'glibc.malloc.check=3',
      MIMALLOC_VERBOSE: '1',
      TSRUN_NOFILE: '1:1',
      PATH: process.env.PATH,
      HOME: b.dir,
    }
    t.same(await b.tsrunWith({ env: variables }, 'run', b.id), {
      code: 0,
      stdout: 'ONLY=this\nHOME=/\n',
      stderr: '',
    })
    t.notOk(readdirSync(b.dir).includes('pwned'))
    const empty = await b.shell('env -i "$TSRUN" --root "$ROOT" run "$ID"')
    t.match(empty, { code: 0, stdout: 'ONLY=this\nHOME=/\n', stderr: '' })
  },
)

t.test(
  'CPUs: all, though the caller is bound to one (H-13)',
  { skip: skip || needs('command taskset') },
  async (t) => {
    const b = await withBundle(t)
    const pid = await startedBy(b, 'taskset -c 0')
    const all = ['cpuset/cpuset.cpus', 'cpuset.cpus.effective']
      .map((name) => `/sys/fs/cgroup/${name}`)
      .find((path) => existsSync(path))
    t.equal(
      processStatus(pid, 'Cpus_allowed_list'),
      (all && readFileSync(all, 'utf8').trim()) || processStatus('self', 'Cpus_allowed_list'),
    )
  },
)

t.test(
  'timer slack, parent-death signal and session',
  { skip: skip || needs('python3') },
  async (t) => {
    const b = await withBundle(t)
    const pid = await startedBy(
      b,
      "python3 -c 'import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execvp(sys.argv[1], sys.argv[1:])'",
    )
    t.equal(
      readFileSync(`/proc/${pid}/timerslack_ns`, 'utf8'),
      readFileSync(`/proc/${process.pid}/timerslack_ns`, 'utf8'),
    )
    t.equal((await b.state()).status, 'running', 'its creator, with a parent-death signal, is gone')
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    t.equal(fields[2], `${pid}`, 'leader of its process group')
    t.equal(fields[3], `${pid}`, 'leader of its session')
    t.equal(fields[4], '0', 'no controlling terminal')
  },
)

t.test(
  'session keyring: new, named after the container (H-02)',
  { skip: skip || keysMissing() },
  async (t) => {
    const b = await withBundle(t, {
      args: ['cat', '/proc/keys'],
      configure: ({ linux }) => {
        linux.maskedPaths = []
      },
    })
    t.match((await b.tsrun('run', b.id)).stdout, `_ses.${b.id}`)
    t.notMatch((await b.tsrun('run', '--no-new-keyring', `${b.id}-2`)).stdout, `${b.id}-2`)
  },
)

function keysMissing(): string | false {
  return existsSync('/proc/keys') ? false : 'needs /proc/keys'
}

t.test(
  'standard streams that are /dev/null are the container’s own (H-19)',
  { skip },
  async (t) => {
    const b = await withBundle(t)
    const pid = await startedBy(b, '', '< /dev/null > /dev/null 2> /dev/null')
    const inside = statSync(`/proc/${pid}/root/dev/null`)
    for (const fd of [0, 1, 2]) {
      const { dev, ino } = statSync(`/proc/${pid}/fd/${fd}`)
      t.same({ dev, ino }, { dev: inside.dev, ino: inside.ino }, `descriptor ${fd}`)
    }
  },
)

t.test('no socket of the runtime is left behind (T-25)', { skip }, async (t) => {
  const b = await withBundle(t)
  const sockets = (): string[] => readFileSync('/proc/net/unix', 'utf8').match(/@.*$/gm) ?? []
  const before = sockets()
  await startedBy(b, '')
  t.same(
    sockets().filter((name) => !before.includes(name)),
    [],
  )
})
