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

t.test('planCgroup() keeps mode, controllers and mount points', async (t) => {
  t.match(planCgroup(FACTS.cgroup, '/x', 'id1'), {
    mode: 'v1',
    paths: [{ controllers: 'cpu,cpuacct', mountPoint: '/sys/fs/cgroup/cpu,cpuacct' }, {}],
  })
})
