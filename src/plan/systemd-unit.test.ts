import t from 'tap'
import { planSystemdUnit } from './systemd-unit.ts'

const USER = '/user.slice/user-1000.slice/user@1000.service'

t.test('planSystemdUnit() names the unit and its cgroup', (t) => {
  for (const [cgroupsPath, unit, slice, cgroup] of [
    [undefined, 'runc-id1.scope', 'system.slice', '/system.slice/runc-id1.scope'],
    ['', 'runc-id1.scope', 'system.slice', '/system.slice/runc-id1.scope'],
    [':p:n', 'p-n.scope', 'system.slice', '/system.slice/p-n.scope'],
    ['x.slice:p:n', 'p-n.scope', 'x.slice', '/x.slice/p-n.scope'],
    ['-.slice:p:n', 'p-n.scope', '-.slice', '/p-n.scope'],
    ['a-b-c.slice:p:n', 'p-n.scope', 'a-b-c.slice', '/a.slice/a-b.slice/a-b-c.slice/p-n.scope'],
    ['a.slice:p:a-b.slice', 'a-b.slice', 'a.slice', '/a.slice/a-b.slice'],
    [':p:top.slice', 'top.slice', 'system.slice', '/top.slice'],
    // what the kernel or systemd could take for a file of theirs
    ['cpu.slice:_p:n', '_p-n.scope', 'cpu.slice', '/_cpu.slice/__p-n.scope'],
    [':cgroup.p:n', 'cgroup.p-n.scope', 'system.slice', '/system.slice/_cgroup.p-n.scope'],
  ] as const) {
    const isSlice = unit.endsWith('.slice')
    const name = cgroupsPath ? cgroupsPath.replace(/.*:/, '') : 'id1'
    const found = planSystemdUnit(cgroupsPath, 'id1')
    t.same(found, { unit, slice, cgroup, isSlice, name }, cgroupsPath ?? 'absent')
  }
  t.end()
})

t.test("planSystemdUnit() puts a user's units below the user's systemd", (t) => {
  t.match(planSystemdUnit(undefined, 'c', USER), {
    slice: 'user.slice',
    cgroup: `${USER}/user.slice/runc-c.scope`,
  })
  t.match(planSystemdUnit('a-b.slice:p:n', 'c', USER), {
    cgroup: `${USER}/a.slice/a-b.slice/p-n.scope`,
  })
  t.match(planSystemdUnit(undefined, 'c', '/'), { cgroup: '/user.slice/runc-c.scope' })
  t.end()
})

t.test('planSystemdUnit() refuses what names no unit', (t) => {
  const pointer = '/linux/cgroupsPath'
  for (const path of ['/abs/path', 'a:b', 'a:b:c:d']) {
    const message = `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "${path}" instead`
    t.throws(() => planSystemdUnit(path, 'c'), { name: 'SpecError', pointer, message })
  }
  for (const slice of [
    '.slice',
    'a',
    'a.scope',
    'a--b.slice',
    '-a.slice',
    'a-.slice',
    '--.slice',
    'a/b.slice',
    '../x.slice',
    `${'a'.repeat(250)}.slice`,
  ]) {
    const message = `invalid slice name: ${slice}`
    t.throws(() => planSystemdUnit(`${slice}:p:n`, 'c'), { pointer, message })
    if (slice.endsWith('.slice')) t.throws(() => planSystemdUnit(`:p:${slice}`, 'c'), { message })
  }
  for (const path of [':../../x:n', ':p:a/b', ':p:a b', ':p:a\n', `:p:${'n'.repeat(250)}`]) {
    const [, prefix, name] = path.split(':')
    const message = `invalid unit name: ${prefix}-${name}.scope`
    t.throws(() => planSystemdUnit(path, 'c'), { pointer, message })
  }
  t.end()
})
