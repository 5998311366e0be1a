/** The systemd driver, seen from systemd and from the kernel. */
import t, { type Test } from 'tap'
import { running, type TestBundle, type TestSpec, withBundle } from '../testing/bundle.ts'
import { cgroupPath, hasCgroupFile, isUnified, readCgroup } from '../testing/cgroups.ts'
import { run } from '../testing/cli.ts'
import { cgroupsOf, eventually, isRunning } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers('systemd')
const MB = 1 << 20

/** A property of a unit as systemctl has it. */
async function property(unit: string, name: string): Promise<string> {
  const { stdout } = await run(['systemctl', 'show', '--value', '--property', name, unit])
  return stdout.trim()
}

interface Container {
  readonly b: TestBundle
  /** The program with --systemd-cgroup. */
  tsrun(...args: string[]): ReturnType<TestBundle['tsrun']>
  /** Starts it. @returns its process id */
  start(change?: (spec: TestSpec) => void): Promise<number>
  readonly unit: string
}

async function container(t: Test, args = ['sleep', '1000']): Promise<Container> {
  const b = await withBundle(t, { args })
  const tsrun: Container['tsrun'] = (...words) => b.tsrun('--systemd-cgroup', ...words)
  return {
    b,
    tsrun,
    unit: `runc-${b.id}.scope`,
    async start(change = () => {}) {
      b.reconfigure(change)
      t.same(await tsrun('run', '-d', b.id), { code: 0, stdout: '', stderr: '' })
      return (await b.state()).pid
    },
  }
}

t.test('a container is a scope of its own, until it is deleted', { skip }, async (t) => {
  const { tsrun, b, start, unit } = await container(t)
  const pid = await start()
  for (const [controllers, path] of cgroupsOf(pid)) {
    if (controllers === '' && !isUnified) continue
    t.equal(path, `/system.slice/${unit}`, controllers)
  }
  t.equal(await property(unit, 'ActiveState'), 'active')
  t.equal(await property(unit, 'Slice'), 'system.slice')
  t.equal(await property(unit, 'Delegate'), 'yes')
  t.equal(await property(unit, 'Description'), `libcontainer container ${b.id}`)
  t.equal(await property(unit, 'DevicePolicy'), 'strict')
  t.equal(await property(unit, 'NeedDaemonReload'), 'no')
  t.match(await tsrun('delete', '--force', b.id), { code: 0, stderr: '' })
  t.equal(await property(unit, 'LoadState'), 'not-found')
})

t.test('limits are those of the unit and of the cgroup', { skip }, async (t) => {
  const { start, unit, tsrun, b } = await container(t)
  const pid = await start((spec) => {
    spec.linux.resources = {
      memory: { limit: 60 * MB },
      pids: { limit: 30 },
      cpu: { quota: 55_555, period: 100_000, shares: 512 },
    }
  })
  t.equal(await property(unit, isUnified ? 'MemoryMax' : 'MemoryLimit'), `${60 * MB}`)
  t.equal(await property(unit, 'TasksMax'), '30')
  t.equal(await property(unit, 'CPUQuotaPerSecUSec'), '560ms', 'rounded up to 10 ms')
  if (isUnified) {
    t.equal(await property(unit, 'CPUWeight'), '59')
    t.equal(readCgroup(cgroupPath(pid, 'memory'), 'memory.max'), `${60 * MB}`)
    t.equal(readCgroup(cgroupPath(pid, 'pids'), 'pids.max'), '30')
    t.equal(readCgroup(cgroupPath(pid, 'cpu'), 'cpu.max'), '56000 100000')
  }
  const update = ['--memory', '70M', '--pids-limit', '-1', '--cpu-quota', '20000']
  t.same(await tsrun('update', ...update, b.id), { code: 0, stdout: '', stderr: '' })
  t.equal(await property(unit, isUnified ? 'MemoryMax' : 'MemoryLimit'), `${70 * MB}`)
  t.equal(await property(unit, 'TasksMax'), 'infinity')
  t.equal(await property(unit, 'CPUQuotaPerSecUSec'), '200ms')
  t.equal(readCgroup(cgroupPath(pid, 'pids'), 'pids.max'), 'max')
  t.match(await run(['systemctl', 'daemon-reload']), { code: 0 })
  t.equal(readCgroup(cgroupPath(pid, 'pids'), 'pids.max'), 'max', 'systemd knows them as well')
})

t.test('slice, prefix and name are as cgroupsPath has them', { skip }, async (t) => {
  const { b, start, tsrun } = await container(t)
  const slice = `tsrun-test${process.pid}.slice`
  t.teardown(async () => {
    await run(['systemctl', 'stop', slice])
  })
  const pid = await start((spec) => {
    spec.linux.cgroupsPath = `${slice}:pre:${b.id}`
  })
  const unit = `pre-${b.id}.scope`
  const [, path] =
    [...cgroupsOf(pid)].find(([name]) => (isUnified ? name === '' : name === 'pids')) ?? []
  t.equal(path, `/tsrun.slice/${slice}/${unit}`)
  t.equal(await property(unit, 'Slice'), slice)
  await tsrun('delete', '--force', b.id)
  for (const [wrong, stderr] of [
    ['/absolute/path', /expected cgroupsPath to be of format/],
    ['no-slice:a:b', /invalid slice name: no-slice/],
    ['a--b.slice:a:b', /invalid slice name: a--b\.slice/],
  ] as const) {
    b.reconfigure((spec) => {
      spec.linux.cgroupsPath = wrong
    })
    t.match(await tsrun('create', b.id), { code: 1, stderr }, wrong)
  }
})

t.test('properties by annotation, those that harm nobody (T-21)', { skip }, async (t) => {
  const { b, start, unit, tsrun } = await container(t)
  await start((spec) => {
    spec.annotations = {
      'org.systemd.property.TimeoutStopUSec': 'uint64 12000000',
      'org.systemd.property.CollectMode': "'inactive-or-failed'",
    }
  })
  t.equal(await property(unit, 'TimeoutStopUSec'), '12s')
  t.equal(await property(unit, 'CollectMode'), 'inactive-or-failed')
  await tsrun('delete', '--force', b.id)
  for (const [name, value] of [
    ['ExecStop', "'/bin/true'"],
    ['ExecStartPre', "'/bin/true'"],
    ['Slice', "'-.slice'"],
    ['Delegate', 'false'],
    ['User', "'nobody'"],
    ['X', '1'],
    ['Exec-Stop', '1'],
    ['TimeoutStopUSec', 'uint64 '],
  ] as const) {
    b.reconfigure((spec) => {
      spec.annotations = { [`org.systemd.property.${name}`]: value }
    })
    const outcome = await tsrun('create', b.id)
    t.match(outcome, { code: 1, stderr: new RegExp(`org\\.systemd\\.property\\.${name}`) }, name)
    t.equal(await property(unit, 'LoadState'), 'not-found')
  }
})

t.test('a unit that failed is forgotten with the container', { skip }, async (t) => {
  const { b, start, unit, tsrun } = await container(t)
  const pid = await start((spec) => {
    spec.linux.resources = { memory: { limit: 30 * MB, swap: 30 * MB } }
    spec.process.args = ['sh', '-c', 'sleep 1; dd if=/dev/zero of=/dev/null bs=128M count=1']
  })
  await eventually('it ends', () => !isRunning(pid), 30_000)
  t.match(await tsrun('delete', b.id), { code: 0, stderr: '' })
  t.equal(await property(unit, 'LoadState'), 'not-found')
})

t.test('a create that fails leaves no unit', { skip }, async (t) => {
  const { b, unit, tsrun } = await container(t)
  b.reconfigure((spec) => {
    spec.mounts.push({ destination: '/x', type: 'bind', source: '/no/such', options: ['bind'] })
  })
  t.match(await tsrun('create', b.id), { code: 1, stderr: /no such file/ })
  t.equal(await property(unit, 'LoadState'), 'not-found')
  b.reconfigure((spec) => {
    spec.linux.resources = { cpu: { period: 100 } }
  })
  t.equal((await tsrun('create', b.id)).code, 1)
  t.equal(await property(unit, 'LoadState'), 'not-found')
})

t.test('pause, kill and ps work as without systemd', { skip }, async (t) => {
  const { b, start, tsrun } = await container(t)
  const pid = await start((spec) => {
    spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'pid')
  })
  t.equal((await tsrun('pause', b.id)).code, 0)
  t.equal((await b.state()).status, 'paused')
  t.equal((await tsrun('resume', b.id)).code, 0)
  t.same(JSON.parse((await tsrun('ps', '--format', 'json', b.id)).stdout), [pid])
  t.equal((await tsrun('kill', b.id, 'KILL')).code, 0)
  await eventually('it ends', () => !isRunning(pid))
})

t.test(
  'the cgroup is handed over to the user of a container that manages it (M-073)',
  { skip: needsContainers('cgroup v2') },
  async (t) => {
    const b = await withBundle(t)
    const owner = async (options: string[], hasNamespace: boolean, user: number) => {
      const pid = await running(b, (spec) => {
        spec.process.user = { uid: user, gid: user }
        spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'cgroup')
        if (hasNamespace) spec.linux.namespaces.push({ type: 'cgroup' })
        spec.mounts = spec.mounts.filter(({ destination }) => destination !== '/sys/fs/cgroup')
        spec.mounts.push({
          destination: '/sys/fs/cgroup',
          type: 'cgroup',
          source: 'cgroup',
          options,
        })
      })
      const path = cgroupPath(pid, 'pids')
      t.ok(hasCgroupFile(path, 'cgroup.procs'))
      const files = ['.', 'cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads', 'pids.max']
      const { stdout } = await run(['sh', '-c', `cd ${path} && stat -c %u ${files.join(' ')}`])
      return stdout.trim().split('\n').join(' ')
    }
    t.equal(await owner(['nosuid'], true, 1234), '1234 1234 1234 1234 0')
    t.equal(await owner(['ro'], true, 1234), '0 0 0 0 0')
    t.equal(await owner(['nosuid'], false, 1234), '0 0 0 0 0')
  },
)

t.test(
  'without systemd the driver says so',
  { skip: skip === false ? 'this host has systemd' : needsContainers() },
  async (t) => {
    const b = await withBundle(t)
    for (const option of [['--systemd-cgroup'], ['--cgroup-manager', 'systemd']]) {
      t.match(await b.tsrun(...option, 'create', b.id), {
        code: 1,
        stderr: /systemd not running on this host, cannot use systemd cgroups manager/,
      })
    }
  },
)
