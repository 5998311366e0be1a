/** What is a container's cgroup, and what is somebody else's and stays as it is. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { containersBelow, withBundle } from '../testing/bundle.ts'
import { cgroupsNamed, cgroupsOf, eventually, isRunning } from '../testing/kernel.ts'
import { needs, needsContainers } from '../testing/needs.ts'

const skip = needsContainers()
const unified = needs('cgroup v2') === false
/** One hierarchy of this host. */
const hierarchy = unified ? '/sys/fs/cgroup' : '/sys/fs/cgroup/pids'

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
  t.same(cgroupsOf(pid).get(unified ? '' : 'pids'), `/${name}/below`)
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
