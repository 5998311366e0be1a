import t, { type Test } from 'tap'
import { running, type TestBundle, type TestSpec, withBundle } from '../testing/bundle.ts'
import { cgroupPath, hasCgroupFile, isUnified, readCgroup } from '../testing/cgroups.ts'
import { eventually, isRunning } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()
const MB = 1 << 20

/** The kernel's value of a limit, as cgroup v2 writes it; undefined where there is none. */
interface Limits {
  memory(): string
  pids(): string
  /** `quota period`. */
  cpu(): string
  shares(): string
}

function limitsOf(pid: number): Limits {
  const read = (controller: string, file: string) => readCgroup(cgroupPath(pid, controller), file)
  const unlimited = (text: string): string =>
    /^(-1|9223372036854771712)$/.test(text) ? 'max' : text
  return isUnified
    ? {
        memory: () => read('memory', 'memory.max'),
        pids: () => read('pids', 'pids.max'),
        cpu: () => read('cpu', 'cpu.max'),
        shares: () => read('cpu', 'cpu.weight'),
      }
    : {
        memory: () => unlimited(read('memory', 'memory.limit_in_bytes')),
        pids: () => read('pids', 'pids.max'),
        cpu: () =>
          `${unlimited(read('cpu', 'cpu.cfs_quota_us'))} ${read('cpu', 'cpu.cfs_period_us')}`,
        shares: () => read('cpu', 'cpu.shares'),
      }
}

async function limited(
  t: Test,
  resources?: TestSpec['linux']['resources'],
): Promise<{
  b: TestBundle
  pid: number
  limits: Limits
  update: (...args: string[]) => Promise<void>
}> {
  const b = await withBundle(t)
  const pid = await running(b, (spec) => {
    if (resources) spec.linux.resources = resources
  })
  const update = async (...args: string[]): Promise<void> => {
    t.same(
      await b.tsrun('update', ...args, b.id),
      { code: 0, stdout: '', stderr: '' },
      args.join(' '),
    )
  }
  return { b, pid, limits: limitsOf(pid), update }
}

t.test('update sets limits by flags', { skip }, async (t) => {
  const { limits, update } = await limited(t)
  await update('--memory', '50M', '--pids-limit', '20')
  t.equal(limits.memory(), `${50 * MB}`)
  t.equal(limits.pids(), '20')
  await update('--memory', `${70 * MB}`)
  t.equal(limits.memory(), `${70 * MB}`)
  t.equal(limits.pids(), '20', 'what is not named stays')
  await update('--memory', '-1')
  t.equal(limits.memory(), 'max')
  for (const [given, taken] of [
    ['12345', '12345'],
    ['-1', 'max'],
    ['0', '1'],
  ] as const) {
    await update('--pids-limit', given)
    t.equal(limits.pids(), taken)
  }
  await update('--cpu-share', '512')
  t.equal(limits.shares(), isUnified ? '59' : '512')
})

t.test('quota and period are changed alone and together', { skip }, async (t) => {
  const { limits, update } = await limited(t, { cpu: { quota: 50_000, period: 100_000 } })
  t.equal(limits.cpu(), '50000 100000')
  await update('--cpu-period', '200000')
  t.equal(limits.cpu(), '50000 200000')
  await update('--cpu-quota', '30000')
  t.equal(limits.cpu(), '30000 200000')
  await update('--cpu-quota', '-1')
  t.equal(limits.cpu(), 'max 200000')
  await update('--cpu-period', '1000', '--cpu-quota', '3000')
  t.equal(limits.cpu(), '3000 1000')
})

t.test('update takes JSON of a file and of stdin', { skip }, async (t) => {
  const { b, limits, update } = await limited(t)
  const json = JSON.stringify({ Memory: { LIMIT: 40 * MB }, pids: { limit: 10 } })
  t.match(await b.tsrunWith({ input: json }, 'update', '-r', '-', b.id), { code: 0, stderr: '' })
  t.equal(limits.memory(), `${40 * MB}`, 'names in any case')
  t.equal(limits.pids(), '10')
  await b.shell(`echo '{"pids": {"limit": 11}}' > resources.json`)
  await update('--resources', 'resources.json', '--pids-limit', '99')
  t.equal(limits.pids(), '11', 'flags do not count beside the file')
  await b.shell(`echo '{"memory": {"limit": 9223372036854771712}}' > resources.json`)
  await update('--resources', 'resources.json')
  t.equal(limits.memory(), 'max', 'beyond 2^53')
})

t.test('an update that fails changes nothing', { skip }, async (t) => {
  const { b, limits } = await limited(t, {
    cpu: { quota: 50_000, period: 100_000 },
    pids: { limit: 30 },
    memory: { limit: 60 * MB },
  })
  const cases: [string[], RegExp][] = [
    [['--memory', '4x'], /invalid value for memory: invalid suffix: 'x'/],
    [['--memory-swap', 'much'], /invalid value for memory-swap: invalid size: 'much'/],
    [['--cpu-quota', '1.5'], /invalid value for cpu-quota: .*invalid syntax/],
    [['--cpu-period', '-3'], /invalid value for cpu-period: /],
    [['--cpu-share', '18446744073709551616'], /invalid value for cpu-share: .*out of range/],
    [['--pids-limit', 'many'], /pids-limit/],
    [['--memory', '50M', '--cpu-period', '100'], /100: write .*: invalid argument/],
    [['-r', '/no/such/file'], /no such file or directory/],
  ]
  for (const [args, stderr] of cases) {
    const outcome = await b.tsrun('update', ...args, b.id)
    t.match(outcome, { stderr }, args.join(' '))
    t.not(outcome.code, 0)
    t.same([limits.memory(), limits.pids(), limits.cpu()], [`${60 * MB}`, '30', '50000 100000'])
  }
  const bad = { input: '{"pids": {"limit": "ten"}}' }
  t.match(await b.tsrunWith(bad, 'update', '-r', '-', b.id), {
    code: 1,
    stderr: /pids\.limit: found string .* \(stdin:1:\d+\)/,
  })
})

t.test('an update that fails sets no limit where there was none', { skip }, async (t) => {
  const { b, limits } = await limited(t)
  const before = [limits.memory(), limits.pids(), limits.cpu()]
  const args = ['--memory', '50M', '--pids-limit', '20', '--cpu-period', '100']
  t.match(await b.tsrun('update', ...args, b.id), { code: 1, stderr: /invalid argument/ })
  t.same([limits.memory(), limits.pids(), limits.cpu()], before)
})

t.test('a container is updated whatever it does, unless it has ended', { skip }, async (t) => {
  const b = await withBundle(t)
  t.match(await b.tsrun('update', '--pids-limit', '5', b.id), { code: 1, stderr: /does not exist/ })
  await b.tsrun('create', b.id)
  const { pid } = await b.state()
  const limits = limitsOf(pid)
  t.equal((await b.tsrun('update', '--pids-limit', '5', b.id)).code, 0)
  t.equal(limits.pids(), '5')
  await b.tsrun('start', b.id)
  await b.tsrun('pause', b.id)
  t.equal((await b.tsrun('update', '--pids-limit', '6', b.id)).code, 0)
  t.equal(limits.pids(), '6')
  t.equal((await b.state()).status, 'paused')
  await b.tsrun('kill', b.id, 'KILL')
  await eventually('it ends', () => !isRunning(pid))
  t.match(await b.tsrun('update', '--pids-limit', '5', b.id), {
    code: 1,
    stderr: /container not running/,
  })
})

t.test('update leaves device rules alone', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['sh', '-c', 'while :; do head -c1 /dev/zero > /dev/null || echo denied; done'],
  })
  const container = b.launch('run', b.id)
  await eventually('it runs', async () => (await b.tsrun('state', b.id)).code === 0)
  for (let i = 0; i < 10; i++) {
    const devices =
      i % 2 === 0
        ? '{"devices": [{"allow": false}], "pids": {"limit": 50}}'
        : '{"pids": {"limit": 40}}'
    t.equal((await b.tsrunWith({ input: devices }, 'update', '-r', '-', b.id)).code, 0)
  }
  await b.tsrun('kill', b.id, 'KILL')
  const { stdout, stderr } = await container.ended
  t.same([stdout, stderr], ['', ''])
})

t.test('cpu.idle', { skip }, async (t) => {
  const { b, pid, update } = await limited(t)
  const path = cgroupPath(pid, 'cpu')
  if (!hasCgroupFile(path, 'cpu.idle')) {
    t.pass('this kernel has no cpu.idle')
    return
  }
  await update('--cpu-idle', '1')
  t.equal(readCgroup(path, 'cpu.idle'), '1')
  for (const word of ['-1', '2', '3'])
    t.equal((await b.tsrun('update', '--cpu-idle', word, b.id)).code, 1)
  t.equal(readCgroup(path, 'cpu.idle'), '1')
  await update('--pids-limit', '77')
  t.equal(readCgroup(path, 'cpu.idle'), '1')
  await update('--cpu-idle', '0')
  t.equal(readCgroup(path, 'cpu.idle'), '0')
})

t.test('schemas of Intel RDT for a container without', { skip }, async (t) => {
  const { b } = await limited(t)
  t.match(await b.tsrun('update', '--l3-cache-schema', 'L3:0=1', b.id), {
    code: 1,
    stderr: /intel rdt/i,
  })
})
