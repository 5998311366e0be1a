/** A bus of the test's own: systemd is not needed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Bus, type BusObject } from './sd-bus.ts'
import { sdBus } from './sd-bus-library.ts'

const BROKER: BusObject = {
  service: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
}

function reasonToSkip(): string | false {
  try {
    sdBus()
  } catch {
    return 'needs libsystemd'
  }
  return existsSync('/usr/bin/dbus-daemon') ? false : 'needs dbus-daemon'
}

const skip = reasonToSkip()
let daemon: ChildProcess | undefined

t.before(async () => {
  if (skip !== false) return
  daemon = spawn('/usr/bin/dbus-daemon', ['--session', '--nofork', '--print-address'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [address] = daemon.stdout ? await once(daemon.stdout, 'data') : []
  process.env.DBUS_SESSION_BUS_ADDRESS = `${address}`.trim()
})
t.teardown(() => {
  daemon?.kill()
})

t.test('Bus.call() passes arguments and returns what the answer begins with', { skip }, (t) => {
  using bus = Bus.open('user')
  const owned = { signature: 'su', values: ['org.example.Tsrun', 0] }
  t.equal(bus.call(BROKER, 'RequestName', owned, 'u'), 1)
  const name = { signature: 's', values: ['org.example.Tsrun'] }
  t.match(bus.call(BROKER, 'GetNameOwner', name, 's'), /^:1\.\d+$/)
  t.equal(bus.call(BROKER, 'ReloadConfig'), undefined)
  t.end()
})

t.test('Bus.call() throws what the other side returns', { skip }, (t) => {
  using bus = Bus.open('user')
  const name = { signature: 's', values: ['org.example.Nobody'] }
  t.throws(() => bus.call(BROKER, 'GetNameOwner', name, 's'), {
    name: 'BusError',
    errorName: 'org.freedesktop.DBus.Error.NameHasNoOwner',
    message: /org\.example\.Nobody/,
  })
  t.throws(() => bus.stringProperty(BROKER, 'Nothing'), { name: 'BusError' })
  t.end()
})

t.test('Bus.call() refuses a value that is not of its type', { skip }, (t) => {
  using bus = Bus.open('user')
  for (const [signature, value] of [
    ['s', 1],
    ['u', 'x'],
    ['b', 1],
    ['as', 'x'],
    ['(su)', ['x']],
    ['v', 'x'],
  ] as const) {
    const wrong = { signature, values: [value] }
    t.throws(() => bus.call(BROKER, 'GetId', wrong), { name: 'TypeError' }, signature)
  }
  t.end()
})

t.test('Bus.call() takes values of every type', { skip }, (t) => {
  using bus = Bus.open('user')
  const values = [
    true,
    255,
    2n ** 64n - 1n,
    -1.5,
    'text',
    '/a/path',
    Uint8Array.of(1, 2),
    [['a', { signature: 'a(ss)', value: [['x', 'y']] }]],
    [],
  ]
  // the broker takes no arguments here, so that it has read these when it refuses them
  const all = { signature: 'bytdsoaya(sv)au', values }
  t.throws(() => bus.call(BROKER, 'GetId', all), {
    name: 'BusError',
    errorName: 'org.freedesktop.DBus.Error.InvalidArgs',
  })
  t.end()
})

t.test(
  'Bus.nextSignal() gives a signal that came before, and ends with its time',
  { skip },
  (t) => {
    using bus = Bus.open('user')
    bus.subscribe(BROKER, 'NameOwnerChanged')
    const owned = { signature: 'su', values: ['org.example.Signal', 0] }
    bus.call(BROKER, 'RequestName', owned, 'u')
    const next = (limitMs: number): unknown =>
      bus.nextSignal(BROKER, 'NameOwnerChanged', 'sss', performance.now() + limitMs)
    let found: unknown
    do found = next(5000)
    while (found !== undefined && `${found}`.startsWith(':'))
    t.match(found, ['org.example.Signal', '', /^:1\./])
    t.equal(next(20), undefined)
    t.end()
  },
)

t.test('Bus.openSocket() says which socket is not there', { skip }, (t) => {
  // the path of a socket is short
  const path = '/run/no socket'
  t.throws(() => Bus.openSocket(path), { code: 'ENOENT', message: /sd_bus_start .*no socket/ })
  t.end()
})

t.test('Bus.open() does not wait for ever for a bus that does not answer', { skip }, async (t) => {
  // the path of a socket is short
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-'))
  const path = join(directory, 'bus')
  const silent = createServer(() => {})
  await new Promise<void>((resolve) => silent.listen(path, resolve))
  const address = process.env.DBUS_SESSION_BUS_ADDRESS
  process.env.DBUS_SESSION_BUS_ADDRESS = `unix:path=${path}`
  t.teardown(() => {
    process.env.DBUS_SESSION_BUS_ADDRESS = address
    silent.close()
    rmSync(directory, { recursive: true })
  })
  t.throws(() => Bus.open('user', 50), { name: 'SyscallError', code: 'ETIMEDOUT' })
})
