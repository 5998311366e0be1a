import { readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { leftovers, type TestBundle, withBundle } from '../testing/bundle.ts'
import { type Running, run, shell } from '../testing/cli.ts'
import {
  allPids,
  eventually,
  isRunning,
  processesNaming,
  processStatus,
} from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

function nothingLeft(t: Test, { dir, root, id }: TestBundle): void {
  t.same(leftovers(dir, root, id), [], 'nothing is left behind')
}

/** Waits until the program has written `text`. */
async function written({ stdout }: Running, text: string): Promise<void> {
  await eventually(`output ${text}`, () => stdout().includes(text))
}

t.test('run prints what the program prints, and ends as it does', { skip }, async (t) => {
  const b = await withBundle(t)
  const cases: [string, Partial<{ code: number; stdout: string; stderr: string }>][] = [
    ['echo out; echo err >&2', { code: 0, stdout: 'out\n', stderr: 'err\n' }],
    ['exit 7', { code: 7, stdout: '', stderr: '' }],
    ['exit 255', { code: 255, stdout: '', stderr: '' }],
    ['exit 256', { code: 0 }],
  ]
  for (const [script, expected] of cases) {
    b.reconfigure(({ process }) => {
      process.args = ['sh', '-c', script]
    })
    t.match(await b.tsrun('run', b.id), expected, script)
    nothingLeft(t, b)
  }
})

t.test('run ends with 128 + the signal that ended the container', { skip }, async (t) => {
  const b = await withBundle(t, {
    // the first process of a pid namespace takes no signal that it does not handle but SIGKILL
    configure: ({ linux }) => {
      linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'pid')
    },
  })
  for (const signal of ['KILL', 'SEGV'] as const) {
    const running = b.launch('run', b.id)
    const pid = await eventually('the program runs', () =>
      processesNaming(b.id).find((pid) => processStatus(pid, 'Name') === 'sleep'),
    )
    process.kill(pid, `SIG${signal}`)
    t.equal((await running.ended).code, 128 + constants.signals[`SIG${signal}`])
    nothingLeft(t, b)
  }
})

t.test('run passes signals on to the container', { skip }, async (t) => {
  const traps = ['HUP', 'INT', 'QUIT', 'USR1', 'USR2', 'TERM'] as const
  const script = `for s in ${traps.join(' ')}; do trap "echo got $s" $s; done
    trap "echo got WINCH; echo bad" WINCH; echo ready; while :; do sleep 0.02; done`
  const b = await withBundle(t, { args: ['sh', '-c', script] })
  const running = b.launch('run', b.id)
  await written(running, 'ready')
  process.kill(running.pid, 'SIGWINCH')
  for (const name of traps) {
    process.kill(running.pid, `SIG${name}`)
    await written(running, `got ${name}`)
    t.pass(name)
  }
  t.notMatch(running.stdout(), /bad/, 'SIGWINCH is for the terminal')
  t.equal((await b.tsrun('kill', b.id, 'KILL')).code, 0)
  t.equal((await running.ended).code, 137)
  nothingLeft(t, b)
})

t.test('run: the program can end by a signal that the caller sends', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['sh', '-c', 'trap "exit 42" TERM; echo up; sleep 1000 & wait'],
  })
  const running = b.launch('run', b.id)
  await written(running, 'up')
  process.kill(running.pid, 'SIGTERM')
  t.equal((await running.ended).code, 42)
  nothingLeft(t, b)
})

t.test('run --detach returns while the program runs', { skip }, async (t) => {
  const b = await withBundle(t)
  const pidFile = join(b.dir, 'pid')
  t.same(await b.tsrun('run', '--detach', '--pid-file', pidFile, b.id), {
    code: 0,
    stdout: '',
    stderr: '',
  })
  const { pid, status } = await b.state()
  t.equal(status, 'running')
  t.equal(readFileSync(pidFile, 'utf8'), `${pid}`)
  t.equal(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), 'sleep\u00001000\u0000')
})

t.test('run --keep leaves a stopped container', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['sh', '-c', 'exit 3'] })
  t.equal((await b.tsrun('run', '--keep', b.id)).code, 3)
  t.match(await b.state(), { status: 'stopped', pid: 0 })
  t.match(await b.tsrun('run', b.id), { code: 1, stderr: /given ID already exists/ })
  t.equal((await b.tsrun('delete', b.id)).code, 0)
  nothingLeft(t, b)
})

t.test('run lets other commands act on its container', { skip }, async (t) => {
  const b = await withBundle(t)
  const running = b.launch('run', b.id)
  await eventually('the program runs', () =>
    processesNaming(b.id).some((pid) => processStatus(pid, 'Name') === 'sleep'),
  )
  t.equal((await b.state()).status, 'running')
  t.equal((await b.tsrun('delete', '-f', b.id)).code, 0)
  t.same(await running.ended, { code: 137, stdout: '', stderr: '' })
  nothingLeft(t, b)
})

t.test('run reads its input to the program', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['cat'] })
  await t.test('from a pipe', async (t) => {
    const input = 'line\n'.repeat(50_000)
    const { code, stdout } = await b.tsrunWith({ input }, 'run', b.id)
    t.equal(code, 0)
    t.ok(stdout === input, 'all of it')
  })
  await t.test('from a file, to a file', async (t) => {
    writeFileSync(join(b.dir, 'in'), 'content\n')
    const { code } = await b.shell('"$TSRUN" --root "$ROOT" run "$ID" < in > out')
    t.equal(code, 0)
    t.equal(readFileSync(join(b.dir, 'out'), 'utf8'), 'content\n')
  })
  await t.test('from nowhere', async (t) => {
    t.match(await b.tsrun('run', b.id), { code: 0, stdout: '' })
  })
  await t.test('to a pipe that nobody reads', async (t) => {
    b.reconfigure(({ process }) => {
      process.args = ['yes']
    })
    const { code } = await b.shell('"$TSRUN" --root "$ROOT" run "$ID" | head -n 1')
    t.equal(code, 0)
  })
  nothingLeft(t, b)
})

t.test('run with standard streams closed by the caller (H-18)', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['sh', '-c', 'echo to stdout; echo to stderr >&2; ls /proc/self/fd > /tmp/fds'],
    configure: (spec) => {
      spec.root.readonly = false
    },
  })
  for (const closed of ['<&-', '>&-', '2>&-', '<&- >&-', '<&- >&- 2>&-']) {
    writeFileSync(join(b.rootfs, 'tmp/fds'), '')
    const outcome = await b.shell(`"$TSRUN" --root "$ROOT" run "$ID" ${closed}`)
    t.equal(outcome.code, 0, closed)
    t.equal(outcome.stdout, closed.includes('>&-') && !/^2>/.test(closed) ? '' : 'to stdout\n')
    t.match(readFileSync(join(b.rootfs, 'tmp/fds'), 'utf8'), /^0\n1\n2\n3\n$/, 'no more, no less')
    nothingLeft(t, b)
  }
  const { code } = await b.shell('"$TSRUN" --root "$ROOT" create --keep "$ID" <&- >&- 2>&-')
  t.equal(code, 1)
})

t.test('run reaps what the container leaves to its subreaper', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['sh', '-c', '(setsid sleep 0.05 &) ; (setsid sleep 0.05 &) ; sleep 0.3'],
    configure: ({ linux }) => {
      linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'pid')
    },
  })
  const running = b.launch('run', b.id)
  t.equal((await running.ended).code, 0)
  t.same(
    allPids().filter((pid) => isChildOf(pid, running.pid)),
    [],
  )
  nothingLeft(t, b)
})

function isChildOf(pid: number, parent: number): boolean {
  try {
    return processStatus(pid, 'PPid') === `${parent}`
  } catch {
    return false
  }
}

t.test('a container outlives the runtime that was killed', { skip }, async (t) => {
  const b = await withBundle(t)
  const running = b.launch('run', b.id)
  const pid = await eventually('the program runs', () =>
    processesNaming(b.id).find((pid) => processStatus(pid, 'Name') === 'sleep'),
  )
  process.kill(running.pid, 'SIGKILL')
  t.equal((await running.ended).code, 137)
  t.match(await b.state(), { status: 'running', pid })
  t.ok(isRunning(pid))
  t.equal((await b.tsrun('delete', '-f', b.id)).code, 0)
  nothingLeft(t, b)
})

t.test(
  'a runtime started with a parent-death signal keeps it to itself',
  { skip: skip || needsContainers('command setpriv') },
  async (t) => {
    const b = await withBundle(t)
    const outcome = await run(
      shell('setpriv --pdeathsig keep "$TSRUN" --root "$1" run -d "$2"; exit $?', b.root, b.id),
      { cwd: b.dir },
    )
    t.equal(outcome.code, 0)
    const killer = await run(
      shell(
        'setpriv --pdeathsig KILL "$TSRUN" --root "$1" run -d "$2"; kill -9 $$',
        b.root,
        `${b.id}-2`,
      ),
      { cwd: b.dir },
    )
    t.equal(killer.code, 137)
    t.equal((await b.state()).status, 'running')
    t.equal((await b.state(`${b.id}-2`)).status, 'running', 'its parent has died since')
  },
)

t.test('a program that cannot be executed at last: one line, exit 255', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['/run.sh'],
    populate: (rootfs) =>
      writeFileSync(join(rootfs, 'run.sh'), '#!/no/such/interpreter\n', { mode: 0o755 }),
  })
  t.same(await b.tsrun('run', b.id), {
    code: 255,
    stdout: '',
    stderr: 'exec /run.sh: no such file or directory\n',
  })
  nothingLeft(t, b)
  t.equal((await b.tsrun('create', b.id)).code, 0)
  t.equal((await b.tsrun('start', b.id)).code, 0)
  await eventually('it has ended', () => processesNaming(b.id).length === 0)
  t.equal((await b.state()).status, 'stopped')
})

t.test('--debug makes no difference, however much there is to tell', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['echo', 'hello'],
    configure: (spec) => {
      spec.linux.maskedPaths = Array.from({ length: 5000 }, (_, i) => `/proc/${'x'.repeat(80)}${i}`)
    },
  })
  const { code, stdout, stderr } = await b.tsrun('--debug', 'run', b.id)
  t.same([code, stdout], [0, 'hello\n'])
  t.ok(stderr.split('\n').filter((line) => line.includes('step ')).length > 1)
})
