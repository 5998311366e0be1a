import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import t, { type Test } from 'tap'
import { type TestBundle, withBundle } from '../testing/bundle.ts'
import { eventually, isRunning, processesNaming, processStatus } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

/** A program that writes the name of each signal it gets to its output. */
const RECORDER =
  'for s in HUP INT USR1 USR2 TERM CONT; do trap "echo $s >> /tmp/got" $s; done; ' +
  'echo ready >> /tmp/got; while :; do sleep 0.02; done'

async function started(b: TestBundle): Promise<number> {
  const { code, stderr } = await b.tsrun('run', '-d', b.id)
  if (code !== 0) throw new Error(stderr)
  return (await b.state()).pid
}

async function stopped(pid: number): Promise<void> {
  await eventually('the container ends', () => !isRunning(pid))
}

async function got(b: TestBundle, word: string): Promise<boolean> {
  const outcome = await b.shell(
    `for i in $(seq 200); do grep -qx ${word} rootfs/tmp/got && exit 0; sleep 0.02; done; exit 1`,
  )
  return outcome.code === 0
}

t.test('kill sends a signal by name or number', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['sh', '-c', RECORDER],
    configure: (spec) => {
      spec.root.readonly = false
    },
  })
  const pid = await started(b)
  t.ok(await got(b, 'ready'))
  const spellings: [string, string[]][] = [
    ['HUP', ['HUP']],
    ['INT', ['SIGINT']],
    ['USR1', ['usr1']],
    ['USR2', [`${constants.signals.SIGUSR2}`]],
    ['CONT', ['sigcont']],
    ['TERM', []],
  ]
  for (const [name, words] of spellings) {
    t.same(await b.tsrun('kill', b.id, ...words), { code: 0, stdout: '', stderr: '' })
    t.ok(await got(b, name), `${words.join('') || 'the default'} is SIG${name}`)
  }
  t.equal((await b.tsrun('kill', b.id, '0')).code, 0, 'signal 0 only asks')
  t.ok(isRunning(pid))
  t.equal((await b.tsrun('kill', b.id, 'KILL')).code, 0)
  await stopped(pid)
})

t.test('kill refuses what is no signal', { skip }, async (t) => {
  const b = await withBundle(t)
  const pid = await started(b)
  for (const word of ['NOSUCH', 'SIG', '9x', '']) {
    const { code, stderr } = await b.tsrun('kill', b.id, word)
    t.equal(code, 1, word)
    t.match(stderr, /unknown signal/)
  }
  for (const word of ['65', '-1', '4294967305', '1e1']) {
    t.equal((await b.tsrun('kill', b.id, word)).code, 1, word)
  }
  t.ok(isRunning(pid))
  t.match(await b.tsrun('kill', b.id, 'TERM', 'more'), {
    code: 1,
    stderr: /requires a maximum of 2 argument/,
  })
  t.match(await b.tsrun('kill'), { code: 1, stderr: /requires a minimum of 1 argument/ })
})

t.test('kill of a stopped container', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  const { pid } = await b.state()
  t.equal((await b.tsrun('kill', b.id, 'KILL')).code, 0, 'created: the waiting process ends')
  await stopped(pid)
  t.match(await b.state(), { status: 'stopped', pid: 0 })
  for (const word of ['TERM', 'KILL', '0']) {
    t.match(await b.tsrun('kill', b.id, word), {
      code: 1,
      stdout: '',
      stderr: /msg="container not running"\n$/,
    })
    t.same(await b.tsrun('kill', '--all', b.id, word), { code: 0, stdout: '', stderr: '' })
    t.same(await b.tsrun('kill', '-a', b.id, word), { code: 0, stdout: '', stderr: '' })
  }
  t.match(await b.tsrun('kill', `${b.id}-other`, 'KILL'), {
    code: 1,
    stderr: /container does not exist/,
  })
})

t.test('kill ends a container that waits for its start', { skip }, async (t) => {
  const b = await withBundle(t)
  for (const signal of ['TERM', 'INT', 'HUP', 'QUIT', 'KILL']) {
    const id = `${b.id}-${signal}`
    await b.tsrun('create', id)
    const { pid } = await b.state(id)
    t.equal((await b.tsrun('kill', id, signal)).code, 0)
    await stopped(pid)
    t.match(await b.tsrun('start', id), { code: 1, stderr: /container that has stopped/ })
    t.equal((await b.tsrun('delete', id)).code, 0)
  }
})

t.test('kill reaches the first process only', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['sh', '-c', "trap '' TERM; (trap - TERM; exec sleep 1000) & exec sleep 1000"],
  })
  await started(b)
  await eventually('two processes', () => processesNaming(b.id).length === 2)
  t.equal((await b.tsrun('kill', b.id, 'TERM')).code, 0)
  t.equal((await b.tsrun('kill', '--all', b.id, 'TERM')).code, 0)
  t.equal(processesNaming(b.id).length, 2, 'the second one has got nothing')
})

t.test('kill KILL ends all processes where the pid namespace is shared', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['sh', '-c', 'sleep 1000 & sleep 1000 & exec sleep 1000'],
    configure: ({ linux }) => {
      linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'pid')
    },
  })
  const pid = await started(b)
  await eventually('three processes', () => processesNaming(b.id).length === 3)
  process.kill(pid, 'SIGKILL')
  await stopped(pid)
  t.equal((await b.tsrun('kill', b.id, 'KILL')).code, 0, 'also when the first one is gone')
  await eventually('none', () => processesNaming(b.id).length === 0)
  t.match(await b.tsrun('kill', b.id, 'KILL'), {
    code: 1,
    stderr: /unable to kill all processes: container not running/,
  })
})

t.test('kill never signals another process that got the pid', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  const outcome = await b.shell(
    `sed -i 's/"startTime":[0-9]*/"startTime":1/' "$ROOT/$ID/state.json"`,
  )
  t.equal(outcome.code, 0)
  const [pid = 0] = processesNaming(b.id)
  t.match(await b.state(), { status: 'stopped', pid: 0 })
  t.match(await b.tsrun('kill', b.id, 'TERM'), { code: 1, stderr: /container not running/ })
  t.ok(isRunning(pid))
  t.equal(processStatus(pid, 'SigPnd'), '0000000000000000')
  process.kill(pid, 'SIGKILL')
})

const LAST_PID = '/proc/sys/kernel/ns_last_pid'

/** Starts programs until one has the process id `pid`. */
async function recycle(t: Test, pid: number): Promise<number> {
  await eventually('it is reaped', () => !existsSync(`/proc/${pid}`))
  for (let i = 0; i < 200; i++) {
    const last = readFileSync(LAST_PID, 'utf8')
    writeFileSync(LAST_PID, `${pid - 1}`)
    const child = spawn('sleep', ['1000'], { stdio: 'ignore' })
    // tests beside this one have numbers of processes, too
    writeFileSync(LAST_PID, last)
    if (child.pid === pid) {
      t.teardown(() => child.kill('SIGKILL'))
      return pid
    }
    child.kill('SIGKILL')
  }
  throw new Error(`no process has got the number ${pid}`)
}

t.test(
  'a process that has got the number of the first one is left alone (T-32)',
  { skip: skip || (existsSync(LAST_PID) ? false : `needs ${LAST_PID}`) },
  async (t) => {
    const b = await withBundle(t)
    const pid = await started(b)
    process.kill(pid, 'SIGKILL')
    await recycle(t, pid)
    t.match(await b.state(), { status: 'stopped', pid: 0 })
    for (const word of ['TERM', 'KILL', '0']) {
      t.match(await b.tsrun('kill', b.id, word), { code: 1, stderr: /container not running/ })
      t.equal((await b.tsrun('kill', '--all', b.id, word)).code, 0)
    }
    t.equal((await b.tsrun('delete', '--force', b.id)).code, 0)
    t.ok(isRunning(pid))
    t.equal(processStatus(pid, 'Name'), 'sleep')
  },
)

t.test('kill KILL where the pid namespace is that of another container', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['sh', '-c', 'sleep 1000 & exec sleep 1000'] })
  const other = await started(b)
  const id = `${b.id}-joined`
  b.reconfigure(({ linux }) => {
    const rest = linux.namespaces.filter(({ type }) => type !== 'pid')
    linux.namespaces = [...rest, { type: 'pid', path: `/proc/${other}/ns/pid` }]
  })
  t.equal((await b.tsrun('run', '-d', id)).code, 0)
  const { pid } = await b.state(id)
  await eventually('two processes', () => processesNaming(id).length === 2)
  t.equal((await b.tsrun('kill', id, '9')).code, 0)
  await stopped(pid)
  t.same(processesNaming(id), [], 'with the one that it has started')
  t.ok(isRunning(other))
  t.equal((await b.state()).status, 'running', 'the other container runs on')
  t.equal((await b.tsrun('delete', '--force', id)).code, 0)
  t.equal((await b.tsrun('delete', '--force', b.id)).code, 0)
})

t.test('kill KILL of a paused container', { skip }, async (t) => {
  const b = await withBundle(t)
  for (const isShared of [false, true]) {
    b.reconfigure(({ linux }) => {
      if (isShared) linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'pid')
    })
    const pid = await started(b)
    t.equal((await b.tsrun('pause', b.id)).code, 0)
    t.equal((await b.tsrun('kill', b.id, 'KILL')).code, 0)
    await stopped(pid)
    t.equal((await b.state()).status, 'stopped')
    t.equal((await b.tsrun('delete', b.id)).code, 0)
  }
})

t.test(
  'kill without the right to',
  { skip: skip || needsContainers('command setpriv') },
  async (t) => {
    const b = await withBundle(t, {
      configure: ({ process }) => {
        process.user = { uid: 1000, gid: 1000 }
      },
    })
    const pid = await started(b)
    const outcome = await b.shell(
      'setpriv --bounding-set=-kill --inh-caps=-all "$TSRUN" --root "$ROOT" kill "$ID" TERM',
    )
    t.match(outcome, { code: 1, stderr: /unable to signal init: .*operation not permitted"\n$/ })
    t.ok(isRunning(pid))
  },
)

t.test('kill KILL ends many processes, and those that they start', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: [
      'sh',
      '-c',
      'for i in $(seq 300); do sleep 1000 & done; while :; do (sleep 1000 &); sleep 0.001; done',
    ],
    configure: ({ linux }) => {
      linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'pid')
    },
  })
  const pid = await started(b)
  await eventually('many processes', () => processesNaming(b.id).length > 300)
  t.same(await b.tsrun('kill', b.id, 'KILL'), { code: 0, stdout: '', stderr: '' })
  t.notOk(isRunning(pid))
  t.same(processesNaming(b.id), [])
})
