/** What a service manager that has started tsrun is told of a container. */
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { leftovers, type TestBundle, type TestSpec, withBundle } from '../testing/bundle.ts'
import { launch, type Outcome, programPath, type Running, run } from '../testing/cli.ts'
import { eventually, mountsOf, processesNaming, processStatus } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import { Manager, notifier } from '../testing/service-manager.ts'

const skip = needsContainers()
const SOCKET = '/run/notify/notify.sock'
/** Longer than a command takes that does not wait. */
const A_WHILE_MS = 300
/** The program waits for the test before it says anything. */
const WAITING = 'until [ -e /tmp/go ]; do sleep 0.02; done'

interface Service {
  readonly b: TestBundle
  readonly manager: Manager
  /** Runs the program as the manager would. */
  tsrun(...args: string[]): Promise<Outcome>
  launch(...args: string[]): Running
  /** Lets the program go on. */
  go(): void
}

interface ServiceOptions {
  /** What the program does after it has been let go; `/say NAME` sends a message of `MESSAGES`. */
  readonly script: string
  readonly address?: (dir: string) => string
  readonly configure?: (spec: TestSpec) => void
}

const MESSAGES: Record<string, readonly string[]> = {
  ready: ['READY=1'],
  status: ['STATUS=starting', '', 'STATUS=\nEXTEND_TIMEOUT_USEC=1\n', 'READ=1'],
  lines: ['STATUS=up\nREADY=1\nMAINPID=1\n'],
  more: ['STATUS=later'],
}

async function service(t: Test, { script, address, configure }: ServiceOptions): Promise<Service> {
  const b = await withBundle(t, {
    args: ['sh', '-c', `${WAITING}; ${script}`],
    populate: (rootfs) => {
      for (const [name, messages] of Object.entries(MESSAGES)) {
        writeFileSync(join(rootfs, `say-${name}`), notifier(SOCKET, messages), { mode: 0o755 })
      }
      chmodSync(join(rootfs, 'tmp'), 0o1777)
    },
    ...(configure && { configure }),
  })
  const path = address?.(b.dir) ?? join(b.dir, 'manager')
  const manager = new Manager(path)
  t.teardown(() => manager.close())
  const env = { ...process.env, NOTIFY_SOCKET: path }
  return {
    b,
    manager,
    tsrun: (...args) => b.tsrunWith({ env }, ...args),
    launch: (...args) => launch([programPath(), '--root', b.root, ...args], { cwd: b.dir, env }),
    go: () => writeFileSync(join(b.rootfs, 'tmp/go'), ''),
  }
}

async function later(ms = A_WHILE_MS): Promise<void> {
  await new Promise((done) => setTimeout(done, ms))
}

/** True if the command has not ended by now. */
function isUnderWay({ child }: Running): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** The three messages of a container that is ready; the manager has read all when it returns. */
async function expectReady(t: Test, manager: Manager, pid: number, sender: Running): Promise<void> {
  t.same(await manager.next(), { text: 'READY=1\n', fds: [] })
  t.same(await manager.next(), { text: `MAINPID=${pid}\n`, fds: [] })
  const { text, fds } = await manager.next()
  t.equal(text, 'BARRIER=1')
  t.equal(fds.length, 1)
  await later()
  t.ok(isUnderWay(sender), 'it waits until the manager has understood')
  for (const fd of fds) fd.close()
}

t.test('run --detach returns when the container is ready', { skip }, async (t) => {
  const s = await service(t, { script: '/say-status; /say-ready; exec sleep 1000' })
  const running = s.launch('run', '-d', '--pid-file', 'pid', s.b.id)
  await eventually('it runs', () => statSync(join(s.b.dir, 'pid'), { throwIfNoEntry: false }))
  const { pid, status } = await s.b.state()
  t.equal(status, 'running')
  await later()
  t.ok(isUnderWay(running), 'it waits')
  t.equal(s.manager.take(), undefined)
  s.go()
  await expectReady(t, s.manager, pid, running)
  t.same(await running.ended, { code: 0, stdout: '', stderr: '' })
  t.equal(s.manager.take(), undefined, 'nothing else is told')
  t.equal((await s.b.state()).status, 'running')
})

t.test('what the container sees of it', { skip }, async (t) => {
  const s = await service(t, {
    script: 'env > /tmp/env; touch /run/notify/x; /say-ready; exec sleep 1000',
    configure: ({ process, mounts, root }) => {
      root.readonly = false
      process.env.push('NOTIFY_SOCKET=/other')
      process.user = { uid: 1000, gid: 1000 }
      mounts.push({ destination: '/run', type: 'tmpfs', source: 'tmpfs', options: ['nosuid'] })
    },
  })
  s.go()
  const env = { ...process.env, NOTIFY_SOCKET: join(s.b.dir, 'manager') }
  const outcome = s.b.shell('umask 077; "$TSRUN" --root "$ROOT" run -d "$ID"', { env })
  t.equal((await s.manager.next()).text, 'READY=1\n', 'of a user that is not root')
  await s.manager.next()
  for (const fd of (await s.manager.next()).fds) fd.close()
  t.match(await outcome, { code: 0 })
  const { pid } = await s.b.state()
  const mount = mountsOf(pid).find(({ target }) => target === '/run/notify')
  t.same(
    mount?.options.filter((word) => !/atime$/.test(word)),
    ['ro', 'nosuid', 'nodev', 'noexec'],
  )
  const { stdout } = await run(['grep', 'NOTIFY', join(s.b.rootfs, 'tmp/env')])
  t.equal(stdout, `NOTIFY_SOCKET=${SOCKET}\n`)
  const directory = join(s.b.root, s.b.id, 'notify')
  t.equal(statSync(directory).mode & 0o7777, 0o755)
  t.equal(statSync(join(directory, 'notify.sock')).mode & 0o7777, 0o777)
})

t.test('start returns when the container is ready', { skip }, async (t) => {
  const s = await service(t, { script: '/say-lines; exec sleep 1000' })
  t.same(await s.tsrun('create', s.b.id), { code: 0, stdout: '', stderr: '' })
  const { pid } = await s.b.state()
  const running = s.launch('start', s.b.id)
  await eventually('it is started', () => processStatus(pid, 'Name') === 'sh')
  await later()
  t.ok(isUnderWay(running), 'it waits')
  t.equal((await s.b.state()).status, 'running', 'others may look')
  s.go()
  await expectReady(t, s.manager, pid, running)
  t.same(await running.ended, { code: 0, stdout: '', stderr: '' })
})

t.test('nobody waits for a container that has ended, or been deleted', { skip }, async (t) => {
  const s = await service(t, { script: '/say-status; exit 3' })
  s.go()
  t.same(await s.tsrun('run', '-d', s.b.id), { code: 0, stdout: '', stderr: '' })
  t.equal((await s.tsrun('delete', s.b.id)).code, 0)
  t.same(await s.tsrun('run', s.b.id), { code: 3, stdout: '', stderr: '' })
  t.equal((await s.tsrun('create', s.b.id)).code, 0)
  t.same(await s.tsrun('start', s.b.id), { code: 0, stdout: '', stderr: '' })
  t.equal((await s.tsrun('delete', s.b.id)).code, 0)
  t.equal(s.manager.take(), undefined)
  s.b.reconfigure(({ process }) => {
    process.args = ['sleep', '1000']
  })
  for (const commands of [[['run', '-d']], [['create'], ['start']]]) {
    for (const command of commands.slice(0, -1)) await s.tsrun(...command, s.b.id)
    const last = s.launch(...(commands.at(-1) ?? []), s.b.id)
    await eventually('the program runs', () =>
      processesNaming(s.b.id).some((pid) => processStatus(pid, 'Name') === 'sleep'),
    )
    t.match(await s.b.tsrun('delete', '-f', s.b.id), { code: 0, stderr: '' })
    t.equal((await last.ended).code, 0)
  }
  t.same(leftovers(s.b.dir, s.b.root, s.b.id), [])
})

t.test('run in the foreground is the main process itself', { skip }, async (t) => {
  const s = await service(t, {
    script: `trap "exit 42" TERM; /say-ready; until [ -e /tmp/more ]; do sleep 0.02; done
      /say-more 2>/dev/null; echo sent: $?; sleep 1000 & wait`,
  })
  const running = s.launch('run', s.b.id)
  await later()
  s.go()
  await expectReady(t, s.manager, running.pid, running)
  writeFileSync(join(s.b.rootfs, 'tmp/more'), '')
  await eventually('it speaks again', () => running.stdout().includes('sent'))
  t.equal(running.stdout(), 'sent: 255\n', 'nobody listens, and nobody is kept waiting')
  process.kill(running.pid, 'SIGTERM')
  t.equal((await running.ended).code, 42)
  t.equal(s.manager.take(), undefined, 'nothing else is told')
  t.same(leftovers(s.b.dir, s.b.root, s.b.id), [])
})

t.test('run in the foreground passes signals on before anything is ready', { skip }, async (t) => {
  const s = await service(t, { script: 'exit 1' })
  s.b.reconfigure(({ process }) => {
    process.args = ['sh', '-c', 'trap "exit 43" USR1; echo up; sleep 1000 & wait']
  })
  const running = s.launch('run', s.b.id)
  await eventually('it runs', () => running.stdout().includes('up'))
  process.kill(running.pid, 'SIGUSR1')
  t.equal((await running.ended).code, 43)
})

t.test('a manager that is not there', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['sh', '-c', 'echo $NOTIFY_SOCKET'] })
  const nowhere = { env: { ...process.env, NOTIFY_SOCKET: '/nowhere/socket' } }
  t.match(await b.tsrunWith(nowhere, 'run', b.id), {
    code: 0,
    stdout: `${SOCKET}\n`,
    stderr:
      /level=warning msg="unable to notify the service manager: connect \/nowhere\/socket: no such file or directory"\n$/,
  })
  t.match(await b.tsrunWith(nowhere, 'create', b.id), { code: 0, stderr: '' })
  t.match(await b.tsrunWith(nowhere, 'start', b.id), {
    code: 1,
    stderr:
      /unable to notify the service manager at \/nowhere\/socket: connect \/nowhere\/socket: no such file or directory"\n$/,
  })
  t.equal((await b.state()).status, 'created', 'nothing has changed')
  t.match(await b.tsrun('start', b.id), { code: 0, stderr: '' }, 'without a manager')
  await eventually('it has ended', () => processesNaming(b.id).length === 0)
  t.equal((await b.tsrun('delete', b.id)).code, 0)
  const empty = { env: { ...process.env, NOTIFY_SOCKET: '' } }
  t.match(await b.tsrunWith(empty, 'run', b.id), { code: 0, stdout: '\n', stderr: '' })
})

t.test('a manager that ends meanwhile is a warning', { skip }, async (t) => {
  const s = await service(t, { script: '/say-ready; exec sleep 1000' })
  const running = s.launch('run', '-d', s.b.id)
  await eventually('it is bound', () =>
    statSync(join(s.b.root, s.b.id, 'notify/notify.sock'), { throwIfNoEntry: false }),
  )
  s.manager.close()
  s.go()
  t.match(await running.ended, { code: 0, stderr: /level=warning .*: send .*connection refused/ })
  t.equal((await s.b.state()).status, 'running')
})

t.test('start of a container that was created without a manager', { skip }, async (t) => {
  const s = await service(t, { script: 'exec sleep 1000' })
  t.equal((await s.b.tsrun('create', s.b.id)).code, 0)
  t.match(await s.tsrun('start', s.b.id), { code: 1, stderr: /no such file or directory/ })
  t.equal((await s.b.state()).status, 'created')
  t.match(await s.b.tsrun('start', s.b.id), { code: 0, stderr: '' })
})

t.test('addresses: abstract, and longer than a socket address', { skip }, async (t) => {
  const long = 'x'.repeat(150)
  const addresses: ((dir: string) => string)[] = [
    () => `@tsrun-test-${process.pid}`,
    (dir) => {
      mkdirSync(join(dir, long))
      return join(dir, long, 'manager')
    },
  ]
  for (const address of addresses) {
    const s = await service(t, { script: '/say-ready; exec sleep 1000', address })
    s.go()
    const root = join(s.b.dir, `${long}-state`)
    const running = s.launch('--root', root, 'run', '-d', s.b.id)
    t.equal((await s.manager.next()).text, 'READY=1\n')
    await s.manager.next()
    for (const fd of (await s.manager.next()).fds) fd.close()
    t.equal((await running.ended).code, 0)
    t.equal((await s.tsrun('--root', root, 'delete', '-f', s.b.id)).code, 0)
  }
})
