import t from 'tap'
import { planCgroup } from './cgroup.ts'
import type { CgroupFacts } from './facts.ts'
import { FACTS } from './testing.ts'

const V2: CgroupFacts = {
  mode: 'v2',
  hierarchies: [{ controllers: '', mountPoint: '/sys/fs/cgroup', own: '/user.slice/me' }],
}

function paths(facts: CgroupFacts, cgroupsPath: string | undefined): string[] {
  return planCgroup(facts, cgroupsPath, 'id1').paths.map(({ path }) => path)
}

t.test('planCgroup() takes an absolute path below each mount point', async (t) => {
  t.same(paths(FACTS.cgroup, '/a/b'), [
    '/sys/fs/cgroup/cpu,cpuacct/a/b',
    '/sys/fs/cgroup/systemd/a/b',
  ])
  t.same(paths(V2, '/a/b'), ['/sys/fs/cgroup/a/b'])
})

t.test('planCgroup() takes a relative path below its own cgroup, on v2 beside it', async (t) => {
  t.same(paths(FACTS.cgroup, 'a/b'), [
    '/sys/fs/cgroup/cpu,cpuacct/user/me/a/b',
    '/sys/fs/cgroup/systemd/a/b',
  ])
  t.same(paths(V2, 'a/b'), ['/sys/fs/cgroup/user.slice/a/b'])
})

t.test('planCgroup() takes the id without a path', async (t) => {
  for (const none of [undefined, '']) {
    t.same(paths(FACTS.cgroup, none)[0], '/sys/fs/cgroup/cpu,cpuacct/user/me/id1')
    t.same(paths(V2, none), ['/sys/fs/cgroup/user.slice/id1'])
  }
})

t.test('planCgroup() lets no path climb out', async (t) => {
  for (const [written, expected] of [
    ['../../../x', '/sys/fs/cgroup/user.slice/x'],
    ['/../../etc', '/sys/fs/cgroup/etc'],
    ['/a/../../b/', '/sys/fs/cgroup/b'],
    ['a/../../b', '/sys/fs/cgroup/user.slice/b'],
  ] as const) {
    t.same(paths(V2, written), [expected], written)
  }
})

t.test('planCgroup() with systemd: where the unit is', async (t) => {
  const options = { driver: 'systemd' } as const
  const inSystemd = (facts: CgroupFacts, path?: string, userManager?: string) =>
    planCgroup(facts, path, 'id1', { ...options, userManager }).paths.map((one) => one.path)
  t.same(inSystemd(V2), ['/sys/fs/cgroup/system.slice/runc-id1.scope'])
  t.same(inSystemd(V2, 'a-b.slice:p:n'), ['/sys/fs/cgroup/a.slice/a-b.slice/p-n.scope'])
  t.same(inSystemd(V2, '-.slice:p:n'), ['/sys/fs/cgroup/p-n.scope'])
  t.same(inSystemd(FACTS.cgroup, ':p:n'), [
    '/sys/fs/cgroup/cpu,cpuacct/system.slice/p-n.scope',
    '/sys/fs/cgroup/systemd/system.slice/p-n.scope',
  ])
  const manager = '/user.slice/user-1000.slice/user@1000.service'
  t.same(inSystemd(V2, '', manager), [`/sys/fs/cgroup${manager}/user.slice/runc-id1.scope`])
  t.throws(() => inSystemd(V2, '/a/b'), { message: /slice:prefix:name/ })
})

t.test('planCgroup() with cgroups disabled: nowhere', async (t) => {
  t.same(planCgroup(V2, '/a', 'id1', { driver: 'disabled' }).paths, [])
})

t.test('planCgroup() keeps mode, controllers and mount points', async (t) => {
  t.match(planCgroup(FACTS.cgroup, '/x', 'id1'), {
    mode: 'v1',
    paths: [{ controllers: 'cpu,cpuacct', mountPoint: '/sys/fs/cgroup/cpu,cpuacct' }, {}],
  })
})
