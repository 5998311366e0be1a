/** What is a container's cgroup, and what is somebody else's and stays as it is. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { containersBelow, withBundle } from '../testing/bundle.ts'
import { cgroupPath, hierarchyOf, isUnified } from '../testing/cgroups.ts'
import { run } from '../testing/cli.ts'
import { cgroupsNamed, cgroupsOf, eventually, isRunning } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()
/** One hierarchy of this host. */
const hierarchy = hierarchyOf('pids')

t.test('create refuses a cgroup that others use (M-072)', { skip }, async (t) => {
  const b = await withBundle(t, {
    configure: (spec) => {
      spec.linux.cgroupsPath = '/tsrun-test-shared-cgroup'
    },
  })
  t.equal((await b.tsrun('create', b.id)).code, 0)
  t.match(await b.tsrun('create', `${b.id}-2`), {
    code: 1,
    stderr: /container's cgroup is not empty: 1 process\(es\) found/,
  })
  t.same(containersBelow(b.root), [b.id])
  t.equal((await b.state()).status, 'created')
  t.equal((await b.tsrun('delete', b.id)).code, 0)
  t.same(cgroupsNamed('tsrun-test-shared-cgroup'), [])
})

/** A process of the host in a cgroup of the host; both are removed when the test ends. */
function hostCgroup(t: Test, name: string): number {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' })
  const pid = Number(child.pid)
  mkdirSync(join(hierarchy, name), { recursive: true })
  writeFileSync(join(hierarchy, name, 'cgroup.procs'), String(pid))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await eventually('it ends', () => !isRunning(pid))
    for (let path = name; path !== '.'; path = dirname(path)) rmdirSync(join(hierarchy, path))
  })
  return pid
}

t.test("processes below a cgroup are in it too, and not the container's", { skip }, async (t) => {
  const name = `tsrun-test-host-${process.pid}`
  const pid = hostCgroup(t, `${name}/below`)
  const b = await withBundle(t, {
    configure: (spec) => {
      spec.linux.cgroupsPath = `/${name}`
    },
  })
  const busy = { code: 1, stderr: /container's cgroup is not empty: 1 process\(es\) found/ }
  t.match(await b.tsrun('create', b.id), busy)
  t.match(await b.tsrun('delete', '--force', b.id), { code: 0, stderr: '' })
  t.ok(isRunning(pid))
  t.same(cgroupsOf(pid).get(isUnified ? '' : 'pids'), `/${name}/below`)
  t.same(containersBelow(b.root), [])
})

t.test("the root of the cgroups is no container's", { skip }, async (t) => {
  const b = await withBundle(t)
  for (const path of ['/', '/x/..', 'x/../..', '.']) {
    b.reconfigure((spec) => {
      spec.linux.cgroupsPath = path
    })
    t.match(await b.tsrun('create', b.id), { code: 1, stderr: /cgroup is not empty/ }, path)
    t.match(await b.tsrun('delete', '--force', b.id), { code: 0, stderr: '' })
  }
})

t.test('a failed create leaves the cgroups that were there', { skip }, async (t) => {
  const name = `tsrun-test-kept-${process.pid}`
  const kept = join(hierarchy, name, 'below')
  mkdirSync(kept, { recursive: true })
  t.teardown(() => {
    for (const path of [kept, dirname(kept)]) rmdirSync(path)
  })
  const b = await withBundle(t, {
    configure: (spec) => {
      spec.linux.cgroupsPath = `/${name}`
      spec.mounts.push({ destination: '/x', type: 'bind', source: '/no/such', options: ['bind'] })
    },
  })
  t.match(await b.tsrun('create', b.id), { code: 1, stderr: /no such file/ })
  t.ok(existsSync(kept))
  t.same(cgroupsNamed(name), [join(hierarchy, name)], 'those made in other hierarchies are gone')
})

t.test('two creates at once in one cgroup: one wins', { skip }, async (t) => {
  const name = `tsrun-test-race-${process.pid}`
  const b = await withBundle(t, {
    configure: (spec) => {
      spec.linux.cgroupsPath = `/${name}`
    },
  })
  for (let round = 0; round < 10; round++) {
    const ids = [0, 1, 2].map((i) => `${b.id}-${round}-${i}`)
    const outcomes = await Promise.all(ids.map((id) => b.tsrun('create', id)))
    t.same(outcomes.map(({ code }) => code).sort(), [0, 1, 1], `round ${round}`)
    for (const { code, stderr } of outcomes) if (code !== 0) t.match(stderr, /cgroup is not empty/)
    const [winner = ''] = containersBelow(b.root)
    t.equal((await b.state(winner)).status, 'created')
    t.equal((await b.tsrun('delete', winner)).code, 0)
  }
  t.same(cgroupsNamed(name), [])
})

t.test(
  "delete leaves the cgroup alone that has come in the container's place",
  { skip },
  async (t) => {
    const name = `tsrun-test-reused-${process.pid}`
    const b = await withBundle(t, {
      configure: (spec) => {
        spec.linux.cgroupsPath = `/${name}`
        spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'pid')
      },
    })
    await b.tsrun('run', '-d', b.id)
    const { pid } = await b.state()
    process.kill(pid, 'SIGKILL')
    await eventually('it ends', () => !isRunning(pid))
    // what others may do with a path that is free
    const paths = cgroupsNamed(name)
    await eventually('they are empty', () => paths.every(removed))
    for (const path of paths) mkdirSync(path)
    t.teardown(() => {
      for (const path of paths) if (existsSync(path)) rmdirSync(path)
    })
    const other = hostCgroup(t, name)
    t.match(await b.tsrun('kill', b.id, 'KILL'), { code: 1, stderr: /container not running/ })
    t.match(await b.tsrun('delete', '--force', b.id), { code: 0, stderr: '' })
    t.ok(isRunning(other))
    t.same(cgroupsOf(other).get(isUnified ? '' : 'pids'), `/${name}`)
  },
)

function removed(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch {
    return !existsSync(path)
  }
}

/** Makes a directory in a directory, 40 times. */
const NEST = `import os, sys
os.chdir(sys.argv[1])
for _ in range(40):
  os.mkdir("n" * 200)
  os.chdir("n" * 200)
`

t.test(
  'cgroups nested deeper than a path is long are removed',
  { skip: needsContainers('python3') },
  async (t) => {
    const b = await withBundle(t)
    await b.tsrun('run', '-d', b.id)
    const { pid } = await b.state()
    const top = cgroupPath(pid, 'pids')
    t.match(await run(['python3', '-c', NEST, top]), { code: 0, stderr: '' })
    t.match(await b.tsrun('delete', '--force', b.id), { code: 0, stderr: '' })
    t.notOk(existsSync(top))
  },
)

t.test('without cgroups there is none, and no limit either', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['cat', '/proc/self/cgroup'] })
  const disabled = ['--cgroup-manager', 'disabled']
  const { code, stdout } = await b.tsrun(...disabled, 'run', b.id)
  t.equal(code, 0)
  t.notOk(stdout.includes(b.id))
  b.reconfigure((spec) => {
    spec.linux.resources = { pids: { limit: 5 } }
  })
  t.match(await b.tsrun(...disabled, 'create', b.id), {
    code: 1,
    stderr: /cannot set pids limit: cgroups are disabled \(config\.json:\d+:\d+\)/,
  })
  b.reconfigure(() => {})
  t.equal((await b.tsrun(...disabled, 'create', b.id)).code, 0)
  t.match(await b.tsrun('pause', b.id), { code: 1, stderr: /no freezer/ })
  t.match(await b.tsrun('update', '--pids-limit', '5', b.id), { code: 1, stderr: /disabled/ })
  t.match(await b.tsrun('delete', b.id), { code: 0, stderr: '' })
  t.match(await b.tsrun('--cgroup-manager', 'none', 'create', b.id), {
    code: 1,
    stderr: /invalid cgroup manager \\"none\\"/,
  })
})
