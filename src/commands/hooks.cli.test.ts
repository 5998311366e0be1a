import { existsSync, mkdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { HOOK_KINDS, type HookKind } from '../plan/hooks.ts'
import { leftovers, type TestBundle, type TestSpec, withBundle } from '../testing/bundle.ts'
import { eventually, isRunning, processStatus } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import { slowness } from '../testing/slowness.ts'

const skip = needsContainers()

type Hook = NonNullable<NonNullable<TestSpec['hooks']>[HookKind]>[number]

/** Hooks that run in tsrun's own namespaces, or at least see the host's files. */
const HOST_KINDS = HOOK_KINDS.filter((kind) => kind !== 'startContainer')

/** Where the hooks write to: a directory that the container has as /log. */
const LOG = 'log'

/** A hook that runs a shell script, with `$LOG` as its directory and `$0` as its kind. */
function scripted(b: TestBundle, kind: HookKind, script: string, more: Partial<Hook> = {}): Hook {
  const log = kind === 'startContainer' ? '/log' : join(b.dir, LOG)
  return { path: '/bin/sh', args: ['sh', '-c', `LOG=${log}; ${script}`, kind], ...more }
}

/** Gives the bundle hooks; `/log` is writable in the container. */
function withHooks(
  b: TestBundle,
  hooks: Partial<Record<HookKind, Hook[]>>,
  change: (spec: TestSpec) => void = () => {},
): void {
  mkdirSync(join(b.dir, LOG), { recursive: true, mode: 0o777 })
  b.reconfigure((spec) => {
    spec.mounts.push({
      destination: '/log',
      type: 'bind',
      source: join(b.dir, LOG),
      options: ['rbind', 'rw'],
    })
    spec.hooks = hooks
    change(spec)
  })
}

/** One hook of every kind, each with the same script. */
function everyKind(
  b: TestBundle,
  script: string,
  more: Partial<Hook> = {},
): Record<HookKind, Hook[]> {
  return Object.fromEntries(
    HOOK_KINDS.map((kind) => [kind, [scripted(b, kind, script, more)]]),
  ) as Record<HookKind, Hook[]>
}

function logged(b: TestBundle, name: string): string {
  return readFileSync(join(b.dir, LOG, name), 'utf8').trim()
}

function nothingLeft(t: Test, { dir, root, id }: TestBundle): void {
  t.same(leftovers(dir, root, id), [], 'nothing is left behind')
}

t.test('hooks run in order, each at its time', { skip }, async (t) => {
  const b = await withBundle(t)
  const both = (kind: HookKind): Hook[] =>
    ['1', '2'].map((n) => scripted(b, kind, `echo $0 ${n} >> $LOG/order`))
  withHooks(b, Object.fromEntries(HOOK_KINDS.map((kind) => [kind, both(kind)])), ({ process }) => {
    process.args = ['sh', '-c', 'echo program >> /log/order']
  })
  const lines = (kind: HookKind): string[] => [`${kind} 1`, `${kind} 2`]
  t.match(await b.tsrun('create', b.id), { code: 0, stderr: '' })
  const created = [...lines('prestart'), ...lines('createRuntime'), ...lines('createContainer')]
  t.same(logged(b, 'order').split('\n'), created)
  t.match(await b.tsrun('start', b.id), { code: 0, stderr: '' })
  // the program runs beside the hooks of poststart
  const started = logged(b, 'order').split('\n')
  t.same(
    started.filter((line) => line !== 'program'),
    [...created, ...lines('startContainer'), ...lines('poststart')],
  )
  await eventually('the program has run', () => logged(b, 'order').includes('program'))
  t.ok(started.indexOf('program') === -1 || started.indexOf('program') > 7, 'not before its hooks')
  await eventually('it has stopped', async () => (await b.state()).status === 'stopped')
  t.match(await b.tsrun('delete', b.id), { code: 0, stderr: '' })
  t.same(logged(b, 'order').split('\n').slice(-2), lines('poststop'))
})

t.test('hooks read the state', { skip }, async (t) => {
  const b = await withBundle(t)
  withHooks(b, everyKind(b, 'cat > $LOG/$0'), (spec) => {
    spec.annotations = { 'org.example.key': 'value "quoted"' }
  })
  await b.tsrun('create', b.id)
  const { pid } = await b.state()
  await b.tsrun('start', b.id)
  await b.tsrun('delete', '--force', b.id)
  const expected: Record<HookKind, object> = {
    prestart: { status: 'creating', pid },
    createRuntime: { status: 'creating', pid },
    createContainer: { status: 'creating', pid: 1 },
    startContainer: { status: 'created', pid: 1 },
    poststart: { status: 'running', pid },
    poststop: { status: 'stopped' },
  }
  for (const kind of HOOK_KINDS) {
    const { ociVersion, ...rest } = JSON.parse(logged(b, kind))
    t.match(ociVersion, /^1\.\d+\.\d+/)
    const annotations = { 'org.example.key': 'value "quoted"' }
    t.same(rest, { id: b.id, bundle: b.dir, annotations, ...expected[kind] }, kind)
  }
})

t.test('hooks run in their namespaces, as whom they should', { skip }, async (t) => {
  const b = await withBundle(t)
  const script =
    'for ns in mnt pid net uts ipc; do readlink /proc/self/ns/$ns; done > $LOG/$0; ' +
    'grep -E "^(Uid|Gid|CapEff|NoNewPrivs)" /proc/self/status > $LOG/$0.status; pwd > $LOG/$0.pwd'
  withHooks(b, everyKind(b, script), ({ process }) => {
    process.user = { uid: 1000, gid: 1000 }
    process.cwd = '/tmp'
    process.noNewPrivileges = true
  })
  await b.shell('chmod 777 log')
  t.match(await b.tsrun('run', '-d', b.id), { code: 0, stderr: '' })
  const { pid } = await b.state()
  const namespaces = (of: number | string): string =>
    ['mnt', 'pid', 'net', 'uts', 'ipc'].map((ns) => readlinkSync(`/proc/${of}/ns/${ns}`)).join('\n')
  const inside = namespaces(pid)
  await b.tsrun('delete', '--force', b.id)
  for (const kind of ['prestart', 'createRuntime', 'poststart', 'poststop'] as const) {
    t.equal(logged(b, kind), namespaces('self'), kind)
    t.equal(logged(b, `${kind}.pwd`), b.dir, kind)
  }
  for (const kind of ['createContainer', 'startContainer'] as const) {
    t.equal(logged(b, kind), inside, kind)
  }
  t.equal(logged(b, 'createContainer.pwd'), b.rootfs)
  t.equal(logged(b, 'startContainer.pwd'), '/tmp')
  t.match(logged(b, 'createContainer.status'), /Uid:\t0\t0/)
  const status = logged(b, 'startContainer.status')
  t.match(status, /Uid:\t1000\t1000/)
  t.match(status, /NoNewPrivs:\t1/)
})

t.test('a hook has its arguments, the standard streams and no other', { skip }, async (t) => {
  const b = await withBundle(t)
  const script =
    'printf "%s|" "$0" "$@" > $LOG/$1.args; exec 9>$LOG/$1.fds; ls /proc/self/fd >&9; ' +
    'ls -l /proc/self/fd | grep -v " 9 ->" | grep -c -e socket: -e fifo -e "/$" > $LOG/$1.own; true'
  const hooks = Object.fromEntries(
    HOOK_KINDS.map((kind) => {
      const hook = scripted(b, kind, script)
      return [
        kind,
        [{ ...hook, args: [...(hook.args ?? []).slice(0, 3), 'zero', kind, 'a b', ''] }],
      ]
    }),
  )
  withHooks(b, hooks)
  await b.tsrun('run', '-d', b.id)
  await b.tsrun('delete', '--force', b.id)
  for (const kind of HOOK_KINDS) {
    t.equal(logged(b, `${kind}.args`), `zero|${kind}|a b||`)
    // 3 is the directory that ls reads
    t.same(logged(b, `${kind}.fds`).split('\n').sort(), ['0', '1', '2', '3', '9'], kind)
    t.equal(logged(b, `${kind}.own`), '0', kind)
  }
})

t.test('a hook has the environment that is its own (threat T-20)', { skip }, async (t) => {
  const b = await withBundle(t)
  const script = 'cat /proc/self/environ | tr "\\0" "\\n" > $LOG/$0'
  const preload = ({ process }: TestSpec): void => {
    process.env = ['PATH=/bin', 'LD_PRELOAD=/evil.so', 'IMAGE=1']
  }
  const called = (command: string): Promise<unknown> =>
    b.shell(`env -i PATH="$PATH" CALLER=here "$TSRUN" --root "$ROOT" ${command} "$ID"`)
  const names = (kind: HookKind): string[] =>
    logged(b, kind)
      .split('\n')
      .map((line) => line.replace(/=.*/, ''))
      // what a shell adds
      .filter((name) => !['', 'PWD', 'SHLVL', 'OLDPWD', '_'].includes(name))
      .sort()

  withHooks(b, everyKind(b, `exec cat /proc/self/environ | tr '\\0' '\\n' > $LOG/$0`), preload)
  await called('run -d')
  await called('delete --force')
  for (const kind of ['prestart', 'createRuntime', 'poststart', 'poststop'] as const) {
    t.same(names(kind), ['CALLER', 'PATH'], kind)
  }
  t.same(names('createContainer'), [])
  t.same(names('startContainer'), ['HOME', 'IMAGE', 'LD_PRELOAD', 'PATH'])

  withHooks(b, everyKind(b, script, { env: ['ONLY=this', 'PATH=/bin'] }), preload)
  await called('run -d')
  await called('delete --force')
  for (const kind of HOOK_KINDS) t.same(names(kind), ['ONLY', 'PATH'], kind)
})

t.test('a hook that fails ends the operation, and poststop hooks run', { skip }, async (t) => {
  const b = await withBundle(t)
  const stopped = { poststop: [scripted(b, 'poststop', 'echo stopped >> $LOG/stopped')] }
  for (const kind of HOOK_KINDS.slice(0, 5)) {
    const hooks = ['true', 'echo out; echo err >&2; exit 3', 'touch $LOG/third'].map((script) =>
      scripted(b, kind, script),
    )
    withHooks(b, { ...stopped, [kind]: hooks }, ({ process }) => {
      process.args = kind === 'poststart' ? ['sleep', '1000'] : ['touch', '/log/program']
    })
    const { code, stderr } = await b.tsrun('run', b.id)
    t.equal(code, 1, kind)
    t.match(stderr, `error running ${kind} hook #1: exit status 3, stdout: out, stderr: err`)
    t.equal(logged(b, 'stopped'), 'stopped', `poststop after ${kind}`)
    t.notOk(existsSync(join(b.dir, LOG, 'third')), 'the list has ended')
    t.notOk(existsSync(join(b.dir, LOG, 'program')), 'no program has run')
    nothingLeft(t, b)
    await b.shell('rm -f log/*')
  }
})

t.test('create, start: hooks that fail', { skip }, async (t) => {
  const b = await withBundle(t)
  const failing = (kind: HookKind): Partial<Record<HookKind, Hook[]>> => ({
    [kind]: [scripted(b, kind, 'exit 3')],
  })
  for (const kind of ['prestart', 'createRuntime', 'createContainer'] as const) {
    withHooks(b, failing(kind))
    const text = `error running ${kind} hook #0: exit status 3`
    t.match(await b.tsrun('create', b.id), { code: 1, stderr: text })
    nothingLeft(t, b)
  }

  withHooks(b, failing('poststart'))
  t.equal((await b.tsrun('create', b.id)).code, 0)
  const { pid } = await b.state()
  const text = 'error running poststart hook #0: exit status 3'
  t.match(await b.tsrun('start', b.id), { code: 1, stderr: text })
  await eventually('it is killed', () => !isRunning(pid))
  t.equal((await b.state()).status, 'stopped')
  t.equal((await b.tsrun('delete', b.id)).code, 0)

  const poststart = { poststart: [scripted(b, 'poststart', 'touch $LOG/poststart')] }
  withHooks(b, { ...failing('startContainer'), ...poststart })
  t.equal((await b.tsrun('create', b.id)).code, 0)
  const { code, stderr } = await b.tsrun('start', b.id)
  t.equal(code, 1)
  t.match(stderr, 'during container init: error running startContainer hook #0: exit status 3')
  await eventually('it has stopped', async () => (await b.state()).status === 'stopped')
  t.notOk(existsSync(join(b.dir, LOG, 'poststart')), 'no later hook has run')
})

t.test('a poststop hook that fails is told, when all is removed', { skip }, async (t) => {
  const b = await withBundle(t)
  const hooks = ['exit 4', 'touch $LOG/second'].map((script) => scripted(b, 'poststop', script))
  withHooks(b, { poststop: hooks })
  await b.tsrun('run', '-d', b.id)
  const text = 'error running poststop hook #0: exit status 4'
  t.match(await b.tsrun('delete', '--force', b.id), { code: 1, stderr: text })
  t.ok(existsSync(join(b.dir, LOG, 'second')), 'the others run')
  nothingLeft(t, b)

  withHooks(b, { poststop: hooks }, ({ process }) => {
    process.args = ['sh', '-c', 'exit 5']
  })
  t.match(await b.tsrun('run', b.id), { code: 5, stderr: text }, 'a warning')
})

t.test('a hook that takes too long is killed with what it has started', { skip }, async (t) => {
  const b = await withBundle(t)
  for (const kind of HOST_KINDS.slice(0, 4)) {
    const script = 'sleep 1000 & echo $! > $LOG/pid; touch $LOG/begun; wait'
    withHooks(b, { [kind]: [scripted(b, kind, script, { timeout: 1 })] })
    const since = performance.now()
    const { code, stderr } = await b.tsrun('run', b.id)
    t.equal(code, 1)
    t.match(stderr, `error running ${kind} hook #0: hook ran past specified timeout of 1.0s`)
    t.ok(performance.now() - since < 8000 * slowness(), 'soon')
    t.ok(existsSync(join(b.dir, LOG, 'begun')))
    if (kind !== 'createContainer') {
      const pid = Number(logged(b, 'pid'))
      await eventually('it has ended', () => !isRunning(pid))
    }
    nothingLeft(t, b)
  }
})

t.test('what a hook may die of', { skip }, async (t) => {
  const b = await withBundle(t)
  const cases: [Hook, RegExp][] = [
    [{ path: '/bin/sh', args: ['sh', '-c', 'kill -KILL $$'] }, /hook #0: signal: killed,/],
    [{ path: '/bin/sh', args: ['sh', '-c', 'kill -SYS $$'] }, /hook #0: signal: bad system call/],
    [{ path: '/etc/passwd' }, /hook #0: fork\/exec \/etc\/passwd: permission denied/],
    [
      { path: '/bin/sh', args: ['sh', '-c', 'head -c 100000 /dev/zero | tr "\\0" x; exit 1'] },
      /hook #0: exit status 1, stdout: \[\.\.\.\]x{8192}, stderr: /,
    ],
    [
      { path: '/bin/sh', args: ['sh', '-c', 'head -c 70000000 /dev/zero; echo end; exit 1'] },
      /hook #0: exit status 1, stdout: \[\.\.\.\].*end, stderr: /,
    ],
  ]
  for (const [hook, expected] of cases) {
    withHooks(b, { createRuntime: [hook] })
    t.match(await b.tsrun('create', b.id), { code: 1, stderr: expected })
    nothingLeft(t, b)
  }
  withHooks(b, { startContainer: [{ path: '/missing' }] })
  const text = 'error running startContainer hook #0: fork/exec /missing: no such file or directory'
  t.match(await b.tsrun('run', b.id), { code: 1, stderr: text })
  nothingLeft(t, b)
})

t.test(
  'a hook that does not read, or leaves a process behind, holds nothing up',
  { skip },
  async (t) => {
    const b = await withBundle(t)
    const script = 'exec <&-; sleep 1000 & echo $! > $LOG/pid'
    withHooks(b, { createRuntime: [scripted(b, 'createRuntime', script)] }, (spec) => {
      // more than a pipe holds
      spec.annotations = { 'org.example.large': 'x'.repeat(300_000) }
    })
    t.match(await b.tsrun('create', b.id), { code: 0, stderr: '' })
    const pid = Number(logged(b, 'pid'))
    t.ok(isRunning(pid))
    process.kill(pid, 'SIGKILL')
  },
)

t.test('hooks may call the runtime', { skip }, async (t) => {
  const b = await withBundle(t)
  const program = process.env.TSRUN ?? join(import.meta.dirname, '../../dist/tsrun')
  const call = (kind: HookKind, command: string): Hook =>
    scripted(b, kind, `${program} --root ${b.root} ${command} ${b.id} > $LOG/$0 2>&1`)
  withHooks(b, {
    createRuntime: [call('createRuntime', 'state')],
    poststart: [call('poststart', 'pause'), call('poststart', 'resume')],
  })
  t.match(await b.tsrun('run', '-d', b.id), { code: 0, stderr: '' })
  t.equal(JSON.parse(logged(b, 'createRuntime')).id, b.id)
  t.equal((await b.state()).status, 'running')
})

t.test(
  'a created container with a startContainer hook waits like any other',
  { skip },
  async (t) => {
    const b = await withBundle(t)
    withHooks(b, { startContainer: [scripted(b, 'startContainer', 'true')] })
    for (const signal of ['TERM', 'HUP', 'KILL']) {
      await b.tsrun('create', b.id)
      const { pid } = await b.state()
      t.equal(processStatus(pid, 'CapEff'), '0000000020000420')
      t.equal((await b.tsrun('kill', b.id, signal)).code, 0)
      await eventually(`it ends by ${signal}`, () => !isRunning(pid))
      t.equal((await b.tsrun('delete', b.id)).code, 0)
    }
    t.match(await b.tsrun('run', '-d', b.id), { code: 0, stderr: '' })
    const { pid } = await b.state()
    t.equal(processStatus(pid, 'SigBlk'), '0000000000000000')
  },
)
