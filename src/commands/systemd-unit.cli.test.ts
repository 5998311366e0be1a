/** Containers as services of a real systemd. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { leftovers, type TestBundle, withBundle } from '../testing/bundle.ts'
import { programPath, run } from '../testing/cli.ts'
import { eventually, isRunning, processStatus } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import { greeter, notifier } from '../testing/service-manager.ts'
import { converse } from '../testing/unix-client.ts'

const skip = needsContainers('systemd')
const UNITS = '/run/systemd/system'
const LIMIT_MS = 20_000

async function systemctl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(['systemctl', ...args])
  if (code !== 0) throw new Error(`systemctl ${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}

function property(unit: string, name: string): Promise<string> {
  return systemctl('show', '--value', '--property', name, unit)
}

/** Waits until a unit is `active`, `failed` ... */
async function becomes(unit: string, state: string): Promise<void> {
  let found = ''
  for (const end = Date.now() + LIMIT_MS; Date.now() < end; ) {
    found = await property(unit, 'ActiveState')
    if (found === state) return
    await new Promise((done) => setTimeout(done, 50))
  }
  throw new Error(`${unit} is ${found}, not ${state}`)
}

/** Makes units, by the ends of their names, until the end of the test. */
async function units(t: Test, b: TestBundle, files: Record<string, string>): Promise<void> {
  for (const [end, text] of Object.entries(files)) {
    writeFileSync(join(UNITS, `${b.id}.${end}`), text)
  }
  t.teardown(async () => {
    for (const end of Object.keys(files)) {
      await systemctl('stop', `${b.id}.${end}`)
      rmSync(join(UNITS, `${b.id}.${end}`))
    }
    await systemctl('daemon-reload')
  })
  await systemctl('daemon-reload')
}

/** The text of a service; `line` is what tsrun is called with. */
function service(b: TestBundle, type: string, line: string): string {
  const command = `${programPath()} --root ${b.root}`
  return `[Service]
Type=${type}
WorkingDirectory=${b.dir}
ExecStart=${command} ${line} ${b.id}
ExecStopPost=${command} delete --force ${b.id}
`
}

async function notifying(t: Test, script: string): Promise<TestBundle> {
  return withBundle(t, {
    args: ['sh', '-c', `until [ -e /tmp/go ]; do sleep 0.05; done; ${script}`],
    populate: (rootfs) => {
      const program = notifier('/run/notify/notify.sock', ['READY=1'])
      writeFileSync(join(rootfs, 'ready'), program, { mode: 0o755 })
    },
  })
}

function go(b: TestBundle): void {
  writeFileSync(join(b.rootfs, 'tmp/go'), '')
}

async function comesUp(t: Test, b: TestBundle, unit: string): Promise<number> {
  await systemctl('start', '--no-block', unit)
  await eventually('the container runs', () => {
    try {
      return readFileSync(join(b.root, b.id, 'state.json'), 'utf8').includes('"startTime"')
    } catch {
      return false
    }
  })
  await new Promise((done) => setTimeout(done, 1000))
  t.equal(await property(unit, 'ActiveState'), 'activating', 'not before it is ready')
  go(b)
  await becomes(unit, 'active')
  return Number(await property(unit, 'MainPID'))
}

t.test('Type=notify: run in the foreground', { skip }, async (t) => {
  const b = await notifying(t, '/ready; trap "exit 0" TERM; sleep 1000 & wait')
  const unit = `${b.id}.service`
  await units(t, b, { service: service(b, 'notify', 'run') })
  const main = await comesUp(t, b, unit)
  t.match(readFileSync(`/proc/${main}/cmdline`, 'utf8'), '\0run\0', 'tsrun is the main process')
  const { pid, status } = await b.state()
  t.equal(status, 'running')
  t.equal(processStatus(pid, 'PPid'), `${main}`)
  process.kill(main, 'SIGTERM')
  await becomes(unit, 'inactive')
  t.equal(await property(unit, 'Result'), 'success')
  t.same(leftovers(b.dir, b.root, b.id), [])
})

t.test('Type=notify: run --detach', { skip }, async (t) => {
  const b = await notifying(t, '/ready; exec sleep 1000')
  const unit = `${b.id}.service`
  await units(t, b, { service: service(b, 'notify', 'run -d') })
  const main = await comesUp(t, b, unit)
  const { pid } = await b.state()
  t.equal(main, pid, "the container's is the main process")
  await systemctl('kill', '--kill-whom=main', '--signal=KILL', unit)
  await eventually('it ends', () => !isRunning(pid))
  await becomes(unit, 'failed')
  t.equal(await property(unit, 'Result'), 'signal', 'systemd has seen how it ended')
  await systemctl('reset-failed', unit)
})

t.test('Type=notify: a container that ends too early', { skip }, async (t) => {
  const b = await notifying(t, 'exit 3')
  const unit = `${b.id}.service`
  await units(t, b, { service: service(b, 'notify', 'run') })
  go(b)
  t.not((await run(['systemctl', 'start', unit])).code, 0)
  t.equal(await property(unit, 'ExecMainStatus'), '3')
  await systemctl('reset-failed', unit)
})

t.test('a socket unit starts the container, which accepts', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: [
      'sh',
      '-c',
      'echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES > /tmp/env; /greet; exec /greet',
    ],
    populate: (rootfs) =>
      writeFileSync(join(rootfs, 'greet'), greeter(4, 'hello\n'), { mode: 0o755 }),
    configure: ({ root }) => {
      root.readonly = false
    },
  })
  const sockets = ['first', 'second'].map((name) => join(b.dir, name))
  const listen = sockets.map((path) => `ListenStream=${path}`).join('\n')
  await units(t, b, {
    socket: `[Socket]\n${listen}\nFileDescriptorName=web\nRemoveOnStop=yes\n`,
    service: service(b, 'exec', 'run'),
  })
  await systemctl('start', `${b.id}.socket`)
  t.equal(await property(`${b.id}.service`, 'ActiveState'), 'inactive')
  t.equal(await converse(join(b.dir, 'second'), ''), 'hello\n')
  t.equal(readFileSync(join(b.rootfs, 'tmp/env'), 'utf8'), '2 1 web:web\n')
  t.equal((await b.state()).status, 'running')
  t.equal(await converse(join(b.dir, 'second'), ''), 'hello\n', 'of the same container')
  await becomes(`${b.id}.service`, 'inactive')
  t.same(leftovers(b.dir, b.root, b.id), [])
})
