import t from 'tap'
import { S_IF } from '../sys/file.ts'
import { planDevices } from './devices.ts'
import type { DeviceStep } from './steps.ts'
import { minimalSpec } from './testing.ts'

const DEFAULTS = ['/dev/null', '/dev/random', '/dev/full', '/dev/tty', '/dev/zero', '/dev/urandom']

function nodes(...args: Parameters<typeof planDevices>): DeviceStep[] {
  return planDevices(...args).filter((step): step is DeviceStep => step.op === 'device')
}

t.test('planDevices() makes the default nodes and, last, the links', async (t) => {
  const steps = planDevices(minimalSpec())
  t.same(
    nodes(minimalSpec()).map(({ path }) => path),
    DEFAULTS,
  )
  t.ok(nodes(minimalSpec()).every(({ mode }) => mode === (S_IF.CHR | 0o666)))
  t.same(steps.at(-1), { op: 'deviceLinks' })
})

t.test('planDevices() makes none below a bound /dev', async (t) => {
  const mounts = [{ destination: '/dev/', source: '/dev', options: ['rbind'] }]
  t.same(planDevices(minimalSpec({ mounts })), [])
  const tmpfs = [{ destination: '/dev', type: 'tmpfs' }]
  t.equal(nodes(minimalSpec({ mounts: tmpfs })).length, DEFAULTS.length)
})

t.test('planDevices() translates types, modes and owners', async (t) => {
  const devices = [
    { type: 'c' as const, path: '/dev/a', major: 10, minor: 229, fileMode: 0o600, uid: 5, gid: 6 },
    { type: 'u' as const, path: '/dev/b', major: 1, minor: 3 },
    { type: 'b' as const, path: '/x/../dev/c', major: 7, minor: 300 },
    { type: 'p' as const, path: '/run/p', fileMode: 0o20644 },
  ]
  const found = nodes(minimalSpec({ linux: { devices } })).slice(DEFAULTS.length)
  t.match(found, [
    { path: '/dev/a', mode: S_IF.CHR | 0o600, major: 10, minor: 229, uid: 5, gid: 6 },
    { path: '/dev/b', mode: S_IF.CHR | 0o666, uid: 0, gid: 0 },
    { path: '/dev/c', mode: S_IF.BLK | 0o666, major: 7, minor: 300 },
    { path: '/run/p', mode: S_IF.FIFO | 0o644, major: 0, minor: 0 },
  ])
  t.equal(found[0]?.pointer, '/linux/devices/0')
})

t.test('planDevices() lets a configured device replace a default one', async (t) => {
  const devices = [{ type: 'c' as const, path: '/dev//null', major: 1, minor: 3, fileMode: 0o600 }]
  const found = nodes(minimalSpec({ linux: { devices } })).filter((n) => n.path === '/dev/null')
  t.equal(found.length, 1)
  t.match(found[0], { mode: S_IF.CHR | 0o600, pointer: '/linux/devices/0' })
})

t.test('planDevices() leaves /dev/ptmx to devpts', async (t) => {
  const devices = [{ type: 'c' as const, path: '/dev/ptmx', major: 5, minor: 2 }]
  t.notOk(nodes(minimalSpec({ linux: { devices } })).some(({ path }) => path === '/dev/ptmx'))
})
