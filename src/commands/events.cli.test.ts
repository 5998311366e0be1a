import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Stats } from '../cgroup/stats/stats.ts'
import { type BundleOptions, type TestBundle, withBundle } from '../testing/bundle.ts'
import type { Running } from '../testing/cli.ts'
import { cgroupsOf, eventually, isRunning } from '../testing/kernel.ts'
import { needs, needsContainers } from '../testing/needs.ts'
import { slowness } from '../testing/slowness.ts'

const skip = needsContainers()
const isV2 = needs('cgroup v2') === false

/** As JSON has it, with every member that the test's host has. */
type Read<T> = T extends bigint
  ? number
  : T extends object
    ? { readonly [K in keyof T]-?: Read<NonNullable<T[K]>> }
    : T

interface Line {
  readonly type: string
  readonly id: string
  readonly data: Read<Stats>
}

function linesOf(text: string): Line[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)
}

async function started(b: TestBundle): Promise<number> {
  const { code, stderr } = await b.tsrun('run', '-d', b.id)
  if (code !== 0) throw new Error(stderr)
  return (await b.state()).pid
}

/** The statistics of this moment. */
async function statsOf(b: TestBundle): Promise<Read<Stats>> {
  const { code, stdout, stderr } = await b.tsrun('events', '--stats', b.id)
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout).data
}

/** The first statistics that are as wanted. @throws {Error} after 15 s */
async function statsWhere(
  b: TestBundle,
  wanted: (data: Read<Stats>) => boolean,
): Promise<Read<Stats>> {
  const start = performance.now()
  for (;;) {
    const data = await statsOf(b)
    if (wanted(data)) return data
    if (performance.now() - start > 15_000 * slowness()) throw new Error(JSON.stringify(data))
  }
}

/** Where the kernel has the container's files of a controller. */
function directoryOf(pid: number, controller: string): string {
  const name = isV2 ? '' : controller
  const path = cgroupsOf(pid).get(name)
  if (path === undefined) throw new Error(`process ${pid} is in no cgroup of ${controller}`)
  return join('/sys/fs/cgroup', name, path)
}

t.test('events --stats prints one line and ends', { skip }, async (t) => {
  const b = await withBundle(t)
  await started(b)
  const { code, stdout, stderr } = await b.tsrun('events', '--stats', b.id)
  t.match({ code, stderr }, { code: 0, stderr: '' })
  t.ok(stdout.startsWith(`{"type":"stats","id":"${b.id}","data":{"cpu":{"usage":{"total":`))
  t.ok(stdout.endsWith('"intel_rdt":{},"network_interfaces":null}}\n'))
  t.equal(stdout.indexOf('\n'), stdout.length - 1)
  const [line] = linesOf(stdout)
  t.same(Object.keys(line?.data ?? {}), [
    ...['cpu', 'cpuset', 'memory', 'pids', 'blkio', 'hugetlb', 'intel_rdt', 'network_interfaces'],
  ])
  t.same(line?.data.pids.current, 1)
})

t.test('statistics are the numbers of the container', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['sh', '-c', 'while :; do :; done & while :; do :; done'],
  })
  const pid = await started(b)
  const [pids, memory] = [directoryOf(pid, 'pids'), directoryOf(pid, 'memory')]
  writeFileSync(join(pids, 'pids.max'), '7')
  const limit = isV2 ? 'memory.max' : 'memory.limit_in_bytes'
  writeFileSync(join(memory, limit), `${64 << 20}`)
  const before = await statsOf(b)
  t.same(before.pids, { current: 2, limit: 7 })
  t.equal(before.memory.usage.limit, 64 << 20)
  t.ok(before.memory.usage.usage > 0)
  t.ok(Object.keys(before.memory.raw).length > 10)
  t.ok((before.memory.raw[isV2 ? 'anon' : 'rss'] ?? 0) > 0)
  await statsWhere(b, ({ cpu }) => cpu.usage.total > before.cpu.usage.total + 20_000_000)
  const { kernel, user } = (await statsOf(b)).cpu.usage
  t.ok(kernel + user > 0)
  if (!isV2) t.same((await statsOf(b)).cpuset.cpus?.length > 0, true)
})

t.test('huge pages are told of by size', { skip: needsContainers('cgroup v2') }, async (t) => {
  const b = await withBundle(t)
  const dir = directoryOf(await started(b), 'hugetlb')
  const hasThem = readFileSync(join(dir, 'cgroup.controllers'), 'utf8').includes('hugetlb')
  const { hugetlb } = await statsOf(b)
  if (!hasThem) t.same(hugetlb, {})
  else {
    t.ok(Object.keys(hugetlb).length > 0)
    for (const [size, entry] of Object.entries(hugetlb)) {
      t.match(size, /^\d+[KMG]B$/)
      t.same(entry, { failcnt: 0 })
    }
  }
})

t.test('a number beyond 2^53 keeps its digits', { skip }, async (t) => {
  const b = await withBundle(t)
  const memory = directoryOf(await started(b), 'memory')
  const limit = isV2 ? 'max' : readFileSync(join(memory, 'memory.limit_in_bytes'), 'utf8').trim()
  const { stdout } = await b.tsrun('events', '--stats', b.id)
  t.ok(stdout.includes(`"usage":{"limit":${isV2 ? '18446744073709551615' : limit},`))
})

t.test(
  'pressure shows under load',
  {
    skip: needsContainers('cgroup v2') || (!existsSync('/proc/pressure/cpu') && 'needs pressure'),
  },
  async (t) => {
    const b = await withBundle(t, {
      args: ['sh', '-c', 'while :; do :; done & while :; do :; done'],
    })
    writeFileSync(join(directoryOf(await started(b), 'cpu'), 'cpu.max'), '20000 100000')
    const data = await statsWhere(
      b,
      ({ cpu: { psi } }) => psi.some.avg10 > 0 && psi.some.total > 0 && psi.full.total > 0,
    )
    for (const resource of ['cpu', 'memory', 'blkio'] as const) {
      t.same(Object.keys(data[resource].psi), ['some', 'full'], resource)
      t.same(Object.keys(data[resource].psi.full), ['avg10', 'avg60', 'avg300', 'total'])
    }
    t.ok(data.cpu.throttling.throttledPeriods > 0)
    t.ok(data.cpu.throttling.throttledTime > 0)
  },
)

/** Starts the stream, which ends with the test at the latest. */
function streamOf(t: Test, b: TestBundle, ...options: string[]): Running {
  const events = b.launch('events', ...options, b.id)
  t.teardown(() => events.child.kill('SIGKILL'))
  return events
}

t.test('statistics come every interval until the container is deleted', { skip }, async (t) => {
  for (const interval of ['100ms', '0.25s']) {
    const b = await withBundle(t)
    await started(b)
    const begun = performance.now()
    const events = streamOf(t, b, '--interval', interval)
    await eventually('three lines', () => linesOf(events.stdout()).length >= 3)
    t.ok(performance.now() - begun > 3 * (interval === '100ms' ? 100 : 250), 'none comes early')
    t.equal((await b.tsrun('delete', '--force', b.id)).code, 0)
    const { code, stdout, stderr } = await events.ended
    t.match({ code, stderr }, { code: 0, stderr: '' })
    for (const { type, id, data } of linesOf(stdout)) {
      t.match({ type, id }, { type: 'stats', id: b.id })
      t.ok(data.cpu.usage.total > 0)
    }
  }
})

t.test('a deleted container ends the stream before the next interval', { skip }, async (t) => {
  const b = await withBundle(t)
  await started(b)
  const events = streamOf(t, b, '--interval', '1h')
  // until it waits
  await eventually('it watches', () => isWaiting(events.pid))
  await b.tsrun('delete', '--force', b.id)
  t.same(await events.ended, { code: 0, stdout: '', stderr: '' })
})

/** True once a process is asleep in ppoll, with the watch in place. */
function isWaiting(pid: number): boolean {
  // the engine's own waiting is in ep_poll
  return /^(?!ep_).*poll/.test(readFileSync(`/proc/${pid}/wchan`, 'utf8'))
}

t.test('a container that ends by itself ends the stream', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['sh', '-c', 'until [ -e /tmp/go ]; do sleep 0.02; done'],
  })
  const pid = await started(b)
  const events = streamOf(t, b, '--interval', '100ms')
  await eventually('it watches', () => isWaiting(events.pid))
  writeFileSync(join(b.rootfs, 'tmp/go'), '')
  const { code, stderr } = await events.ended
  t.match({ code, stderr }, { code: 0, stderr: '' })
  t.notOk(isRunning(pid))
  t.equal((await b.state()).status, 'stopped', 'it is not deleted')
})

t.test('SIGTERM and a reader that goes end the stream', { skip }, async (t) => {
  const b = await withBundle(t)
  await started(b)
  const events = streamOf(t, b, '--interval', '100ms')
  await eventually('a line', () => events.stdout() !== '')
  events.child.kill('SIGTERM')
  t.equal((await events.ended).code, 143)
  const piped = await b.shell('"$TSRUN" --root "$ROOT" events --interval 50ms "$ID" | head -n 2')
  t.match(piped, { code: 0, stderr: '' })
  t.equal(linesOf(piped.stdout).length, 2)
})

/** Fills memory when the test makes /tmp/go, and lives on. */
const HOG =
  'while ! [ -e /tmp/go ]; do sleep 0.02; done; ' +
  'dd if=/dev/zero of=/dev/null bs=200M count=1 2> /dev/null; ' +
  'touch /tmp/over; exec sleep 1000'

function hog(script: string): BundleOptions {
  return {
    args: ['sh', '-c', script],
    configure: (spec) => {
      spec.root.readonly = false
    },
  }
}

/** Takes almost all memory away from the container. */
function limitMemory(pid: number): void {
  const dir = directoryOf(pid, 'memory')
  writeFileSync(join(dir, isV2 ? 'memory.max' : 'memory.limit_in_bytes'), `${32 << 20}`)
  const swap = join(dir, isV2 ? 'memory.swap.max' : 'memory.memsw.limit_in_bytes')
  if (existsSync(swap)) writeFileSync(swap, isV2 ? '0' : `${32 << 20}`)
}

t.test('a process that is killed for want of memory is told of', { skip }, async (t) => {
  const b = await withBundle(t, hog(HOG))
  limitMemory(await started(b))
  const events = streamOf(t, b, '--interval', '1h')
  await eventually('it watches', () => isWaiting(events.pid))
  writeFileSync(join(b.rootfs, 'tmp/go'), '')
  await eventually('a notice', () => events.stdout() !== '', 20_000)
  await eventually('it was killed', () => existsSync(join(b.rootfs, 'tmp/over')))
  t.equal((await b.tsrun('delete', '--force', b.id)).code, 0)
  const { code, stdout, stderr } = await events.ended
  t.match({ code, stderr }, { code: 0, stderr: '' })
  t.equal(stdout.split('\n')[0], `{"type":"oom","id":"${b.id}"}`)
  if (isV2) t.equal(linesOf(stdout).length, 1, 'once for each')
})

t.test('the notice also comes when it was the first process', { skip }, async (t) => {
  const b = await withBundle(t, hog(HOG.replace('dd ', 'exec dd ')))
  limitMemory(await started(b))
  const events = streamOf(t, b, '--interval', '300ms')
  await eventually('it watches', () => isWaiting(events.pid))
  writeFileSync(join(b.rootfs, 'tmp/go'), '')
  const { code, stdout, stderr } = await events.ended
  t.match({ code, stderr }, { code: 0, stderr: '' })
  // statistics may follow, until its end is noticed
  t.ok(linesOf(stdout).some(({ type }) => type === 'oom'))
})

t.test('an earlier want of memory is no news', { skip }, async (t) => {
  const b = await withBundle(t, hog(HOG))
  limitMemory(await started(b))
  writeFileSync(join(b.rootfs, 'tmp/go'), '')
  await eventually('it was killed', () => existsSync(join(b.rootfs, 'tmp/over')), 20_000)
  const events = streamOf(t, b, '--interval', '200ms')
  await eventually('lines', () => linesOf(events.stdout()).length >= 2)
  await b.tsrun('delete', '--force', b.id)
  t.same(
    linesOf((await events.ended).stdout).filter(({ type }) => type === 'oom'),
    [],
  )
})

t.test('processes in cgroups below count', { skip }, async (t) => {
  const b = await withBundle(t)
  const pid = await started(b)
  const below = join(directoryOf(pid, 'memory'), 'below')
  mkdirSync(below)
  writeFileSync(join(below, 'cgroup.procs'), `${pid}`)
  const events = streamOf(t, b, '--interval', '50ms')
  await eventually('lines', () => linesOf(events.stdout()).length >= 3)
  t.same(JSON.parse((await b.tsrun('ps', '-f', 'json', b.id)).stdout), [pid])
  await b.tsrun('delete', '--force', b.id)
  t.equal((await events.ended).code, 0)
})

t.test('events says what it cannot do', { skip }, async (t) => {
  const b = await withBundle(t)
  t.match(await b.tsrun('events', b.id), { code: 1, stderr: /container does not exist/ })
  t.match(await b.tsrun('events'), { code: 1, stderr: /events\\" requires exactly 1 argument/ })
  const pid = await started(b)
  for (const interval of ['0', '-1s', '0s']) {
    t.match(await b.tsrun('events', '--interval', interval, b.id), {
      code: 1,
      stdout: '',
      stderr: /msg="duration interval must be greater than 0"/,
    })
  }
  t.match(await b.tsrun('events', '--interval', 'soon', b.id), {
    code: 1,
    stdout: /^NAME:\n +\S+ events/,
    stderr: /^Incorrect Usage: invalid value "soon" for flag -interval: parse error\n\n/,
  })
  await b.tsrun('kill', b.id, 'KILL')
  await eventually('the container ends', () => !isRunning(pid))
  for (const options of [[], ['--stats']]) {
    t.match(await b.tsrun('events', ...options, b.id), {
      code: 1,
      stdout: '',
      stderr: new RegExp(`container with id ${b.id} is not running`),
    })
  }
})

t.test('a container that waits for its start has statistics', { skip }, async (t) => {
  const b = await withBundle(t)
  t.equal((await b.tsrun('create', b.id)).code, 0)
  t.equal((await statsOf(b)).pids.current, 1)
})
