import t from 'tap'
import type { Mount } from '../../spec/generated/config.ts'
import { MOUNT_ATTR, MS } from '../sys/mount.ts'
import type { CgroupPlan } from './cgroup.ts'
import { destinationOf, planMounts, planReadonly } from './mounts.ts'
import type { MountStep } from './steps.ts'
import { minimalSpec } from './testing.ts'

const CGROUP: CgroupPlan = { mode: 'v2', driver: 'cgroupfs', paths: [] }

function plan(mount: Mount): MountStep {
  const [step] = planMounts(minimalSpec({ mounts: [mount] }), CGROUP)
  if (step === undefined) throw new Error('no step')
  return step
}

t.test('destinationOf() is clean and absolute', async (t) => {
  for (const [written, expected] of [
    ['/data', '/data'],
    ['data/x', '/data/x'],
    ['/data//x/', '/data/x'],
    ['/a/../../b', '/b'],
    ['../../etc', '/etc'],
  ] as const) {
    t.equal(destinationOf({ destination: written }), expected, written)
  }
})

t.test('planMounts() keeps the order and says where each comes from', async (t) => {
  const mounts = ['/b', '/a', '/b/c'].map((destination) => ({ destination, type: 'tmpfs' }))
  const steps = planMounts(minimalSpec({ mounts }), CGROUP)
  t.same(
    steps.map(({ destination, pointer }) => [destination, pointer]),
    [
      ['/b', '/mounts/0'],
      ['/a', '/mounts/1'],
      ['/b/c', '/mounts/2'],
    ],
  )
  t.same(planMounts(minimalSpec(), CGROUP), [])
})

t.test('planMounts() binds by option, whatever the type', async (t) => {
  const options = ['rbind', 'ro', 'suid']
  t.match(plan({ destination: '/x', type: 'tmpfs', source: '/s', options }), {
    kind: 'bind',
    source: '/s',
    recursive: true,
    refused: MOUNT_ATTR.NOSUID,
    attributes: { set: MOUNT_ATTR.RDONLY },
    readonlyLate: false,
    data: [],
  })
  t.equal(plan({ destination: '/x', type: 'bind', source: '/s' }).kind, 'filesystem')
})

t.test('planMounts() lets a tmpfs and /dev be read-only only at the end', async (t) => {
  const late = plan({ destination: '/x', type: 'tmpfs', options: ['ro', 'size=1k'] })
  t.match(late, { readonlyLate: true, flags: 0, attributes: { set: 0 }, data: ['size=1k'] })
  t.match(plan({ destination: '/dev/', type: 'devtmpfs', options: ['ro'] }), { readonlyLate: true })
  const now = plan({ destination: '/sys', type: 'sysfs', options: ['ro', 'nosuid'] })
  t.match(now, { readonlyLate: false, flags: 3, attributes: { set: 3 }, data: ['ro'] })
})

t.test('planMounts() remounts without bind by flag', async (t) => {
  const step = plan({ destination: '/x', type: 'tmpfs', options: ['remount', 'ro'] })
  t.match(step, { kind: 'filesystem', flags: MS.REMOUNT | MS.RDONLY, readonlyLate: false })
})

t.test('planMounts() wants ordinary directories for proc and sysfs', async (t) => {
  for (const type of ['proc', 'sysfs']) t.ok(plan({ destination: '/x', type }).ordinary, type)
  for (const type of ['tmpfs', 'devpts', 'cgroup', 'mqueue']) {
    t.notOk(plan({ destination: '/x', type }).ordinary, type)
  }
})

t.test('planMounts() gives cgroup mounts their view', async (t) => {
  const mounts = [{ destination: '/sys/fs/cgroup', type: 'cgroup' }]
  const [shared] = planMounts(minimalSpec({ mounts }), CGROUP)
  t.match(shared, { kind: 'cgroup', cgroups: { plan: CGROUP, isPrivate: false } })
  const linux = { namespaces: [{ type: 'cgroup' as const }] }
  const [own] = planMounts(minimalSpec({ mounts, linux }), CGROUP)
  t.match(own, { cgroups: { isPrivate: true } })
})

t.test('planMounts() passes tree changes and propagation on', async (t) => {
  const options = ['rbind', 'rro', 'rnoatime', 'rslave', 'shared']
  t.match(plan({ destination: '/x', source: '/s', options }), {
    tree: { set: 0x11, clear: 0x70 },
    propagation: [MS.SLAVE | MS.REC, MS.SHARED],
    attributes: undefined,
  })
})

t.test('planReadonly() puts the root last', async (t) => {
  const root = { path: 'rootfs', readonly: true }
  const mounts = [
    { destination: '/t', type: 'tmpfs', options: ['ro'] },
    { destination: '/u', type: 'tmpfs' },
  ]
  const spec = minimalSpec({ root, mounts })
  const late = { op: 'readonlyMount', destination: '/t', pointer: '/mounts/0' }
  t.same(planReadonly(planMounts(spec, CGROUP), spec), [
    late,
    { op: 'readonlyRoot', pointer: '/root/readonly' },
  ])
  const shared = minimalSpec({ root, mounts, linux: { namespaces: [] } })
  t.same(planReadonly(planMounts(shared, CGROUP), shared), [late], 'the host has it')
})
