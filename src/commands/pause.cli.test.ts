import { existsSync, mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { containersBelow, type TestBundle, withBundle } from '../testing/bundle.ts'
import { cgroupPath, hierarchyOf, isUnified, readCgroup, writeCgroup } from '../testing/cgroups.ts'
import { eventually, isRunning, processStatus } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

const COUNTER = 'i=0; while :; do i=$((i+1)); echo $i > /tmp/count; done'

async function counting(b: TestBundle): Promise<{ pid: number; stands: () => Promise<boolean> }> {
  t.equal((await b.tsrun('run', '-d', b.id)).code, 0)
  const { pid } = await b.state()
  const ticks = (): string => processStatus(pid, 'nonvoluntary_ctxt_switches') + cpuTime(pid)
  return {
    pid,
    async stands() {
      const before = ticks()
      await new Promise((done) => setTimeout(done, 150))
      return ticks() === before
    },
  }
}

function cpuTime(pid: number): string {
  const path = cgroupPath(pid, isUnified ? 'cpu' : 'cpuacct')
  return isUnified
    ? (readCgroup(path, 'cpu.stat').split('\n')[0] ?? '')
    : readCgroup(path, 'cpuacct.usage')
}

t.test('pause stops the processes, resume lets them go on', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['sh', '-c', COUNTER],
    configure: (spec) => {
      spec.root.readonly = false
    },
  })
  const { stands } = await counting(b)
  t.notOk(await stands())
  t.same(await b.tsrun('pause', b.id), { code: 0, stdout: '', stderr: '' })
  t.equal((await b.state()).status, 'paused')
  t.ok(await stands())
  t.match(await b.tsrun('pause', b.id), { code: 1, stderr: /container not running/ })
  t.match(await b.tsrun('start', b.id), { code: 1, stderr: /paused/ })
  t.match(await b.tsrun('delete', b.id), { code: 1, stderr: /is not stopped: paused/ })
  t.same(await b.tsrun('resume', b.id), { code: 0, stdout: '', stderr: '' })
  t.equal((await b.state()).status, 'running')
  t.notOk(await stands())
  t.match(await b.tsrun('resume', b.id), { code: 1, stderr: /container not paused/ })
})

t.test('a paused container can be killed, and deleted by force', { skip }, async (t) => {
  const b = await withBundle(t)
  for (const end of [
    ['kill', b.id, 'KILL'],
    ['delete', '--force', b.id],
  ] as const) {
    await b.tsrun('run', '-d', b.id)
    const { pid } = await b.state()
    await b.tsrun('pause', b.id)
    t.match(await b.tsrun(...end), { code: 0, stderr: '' }, end[0])
    await eventually('it ends', () => !isRunning(pid))
    await b.tsrun('delete', '--force', b.id)
  }
})

t.test('a created container can be paused, and started when resumed', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  t.equal((await b.tsrun('pause', b.id)).code, 0)
  t.equal((await b.state()).status, 'paused')
  t.equal((await b.tsrun('resume', b.id)).code, 0)
  t.equal((await b.state()).status, 'created')
  t.equal((await b.tsrun('start', b.id)).code, 0)
})

t.test('what has ended is neither paused nor resumed', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['true'] })
  await b.tsrun('run', '-d', b.id)
  await eventually('it ends', () => containersBelow(b.root).length === 1)
  const { pid } = await b.state()
  await eventually('it ends', () => !isRunning(pid))
  t.match(await b.tsrun('pause', b.id), { code: 1, stderr: /container not running/ })
  t.match(await b.tsrun('resume', b.id), { code: 1, stderr: /container not paused/ })
  t.match(await b.tsrun('pause', 'no-such'), { code: 1, stderr: /container does not exist/ })
})

t.test('create refuses a cgroup that is frozen', { skip }, async (t) => {
  const name = `tsrun-test-frozen-${process.pid}`
  const frozen = join(hierarchyOf('freezer'), name)
  mkdirSync(frozen)
  t.teardown(() => rmdirSync(frozen))
  const [file, word] = isUnified ? ['cgroup.freeze', '1'] : ['freezer.state', 'FROZEN']
  writeCgroup(frozen, file, word)
  const b = await withBundle(t, {
    configure: (spec) => {
      spec.linux.cgroupsPath = `/${name}`
    },
  })
  for (const command of ['create', 'run']) {
    t.match(await b.tsrun(command, b.id), {
      code: 1,
      stderr: /container's cgroup unexpectedly frozen/,
    })
  }
  t.same(containersBelow(b.root), [])
  t.ok(existsSync(frozen))
})

t.test(
  'delete --force ends what is frozen further below',
  { skip: skip || (isUnified && 'cgroup v2 kills frozen processes') },
  async (t) => {
    const b = await withBundle(t)
    await b.tsrun('run', '-d', b.id)
    const { pid } = await b.state()
    const below = join(cgroupPath(pid, 'freezer'), 'below')
    mkdirSync(below)
    writeCgroup(below, 'cgroup.procs', String(pid))
    writeCgroup(below, 'freezer.state', 'FROZEN')
    t.match(await b.tsrun('delete', '--force', b.id), { code: 0, stderr: '' })
    t.notOk(isRunning(pid))
  },
)
