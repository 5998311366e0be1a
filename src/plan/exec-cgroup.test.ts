import t from 'tap'
import type { CgroupPlan } from './cgroup.ts'
import { parseSubCgroups, planExecCgroup } from './exec-cgroup.ts'

const V1: CgroupPlan = {
  mode: 'hybrid',
  driver: 'cgroupfs',
  paths: [
    { controllers: 'cpu,cpuacct', mountPoint: '/c/cpu', path: '/c/cpu/x' },
    { controllers: 'memory', mountPoint: '/c/memory', path: '/c/memory/x' },
    { controllers: 'name=systemd', mountPoint: '/c/systemd', path: '/c/systemd/x' },
    { controllers: '', mountPoint: '/c/unified', path: '/c/unified/x' },
  ],
}
const V2: CgroupPlan = {
  mode: 'v2',
  driver: 'cgroupfs',
  paths: [{ controllers: '', mountPoint: '/c', path: '/c/x' }],
}

function plan(cgroup: CgroupPlan, ...values: string[]) {
  const { paths, otherwise } = planExecCgroup(cgroup, parseSubCgroups(values))
  return [paths.map(({ path }) => path), otherwise]
}

const OWN_V1 = V1.paths.map(({ path }) => path)

t.test("without --cgroup: the container's own", async (t) => {
  t.same(plan(V1), [OWN_V1, undefined])
  t.same(plan(V2), [['/c/x'], 'first process'])
  t.same(plan({ mode: 'v1', driver: 'disabled', paths: [] }), [[], undefined])
})

t.test('one path, for every hierarchy', async (t) => {
  t.same(plan(V2, 'sub'), [['/c/x/sub'], undefined])
  t.same(plan(V2, '/'), [['/c/x'], undefined], 'without a way out')
  t.same(plan(V2, '/a//b/./c/'), [['/c/x/a/b/c'], undefined])
  const version2 = { path: '/c/unified/x' }
  t.same(plan(V1, 'sub'), [OWN_V1.map((path) => `${path}/sub`), version2])
  t.same(plan(V1, '/'), [OWN_V1, version2])
})

t.test('paths by controller; the others stay in their own', async (t) => {
  const [cpu = '', memory, systemd, unified] = OWN_V1
  t.same(plan(V1, 'cpu:sub'), [[`${cpu}/sub`, memory, systemd, unified], undefined])
  t.same(plan(V1, 'cpu,cpuacct:a', 'memory:b', 'name=systemd:c:d'), [
    [`${cpu}/a`, `${memory}/b`, `${systemd}/c:d`, unified],
    undefined,
  ])
  t.throws(() => plan(V1, 'cpus:a'), { message: 'unknown controller cpus in SubCgroupPaths' })
  t.throws(() => plan(V2, 'memory:a'), { message: 'unknown controller memory in SubCgroupPaths' })
})

t.test('no path leads out (T-27)', async (t) => {
  for (const path of ['..', '../x', '/..', 'a/../../b', 'a/..', './..']) {
    const message = `bad sub cgroup path: ${path}`
    t.throws(() => plan(V1, path), { message })
    t.throws(() => plan(V2, path), { message })
    t.throws(() => plan(V1, `memory:${path}`), { message })
  }
  t.same(plan(V2, '...'), [['/c/x/...'], undefined], 'a name like any other')
})

t.test('mistakes in the syntax', async (t) => {
  t.throws(() => parseSubCgroups([':a']), {
    message: 'invalid --cgroup argument: :a (empty <controller> prefix)',
  })
  t.throws(() => parseSubCgroups(['cpu,:a']), /empty <controller> prefix/)
  t.throws(() => parseSubCgroups(['cpu:a', 'memory,cpu:b']), {
    message: 'invalid --cgroup argument(s): controller cpu specified multiple times',
  })
  t.throws(() => parseSubCgroups(['cpu:a', 'b']), {
    message: 'invalid --cgroup argument: b (missing <controller>: prefix)',
  })
})
