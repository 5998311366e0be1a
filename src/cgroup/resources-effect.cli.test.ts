/** Limits hold what runs in a container. */
import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { runner, running, withBundle } from '../testing/bundle.ts'
import { cgroupsOf, eventually } from '../testing/kernel.ts'
import { needs, needsContainers } from '../testing/needs.ts'

const skip = needsContainers()
const isV2 = needs('cgroup v2') === false
const MB = 1 << 20
/** Then no swap is allowed, so that the limit is all there is. */
const countsSwap = isV2 || existsSync('/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes')

t.test('a fork bomb stops at pids.limit', { skip }, async (t) => {
  const run = await runner(t)
  const bomb = 'for i in 1 2 3 4 5 6 7 8; do sleep 100 & echo started; done'
  const { code, stdout, stderr } = await run(['sh', '-c', bomb], (spec) => {
    spec.linux.resources = { pids: { limit: 5 } }
  })
  t.not(code, 0)
  t.equal(stdout.match(/started/g)?.length, 4)
  t.match(stderr, /can't fork/)
})

t.test('a memory hog is ended', { skip }, async (t) => {
  const run = await runner(t)
  const hog = ['dd', 'if=/dev/zero', 'of=/dev/null', 'count=1', `bs=${128 * MB}`]
  t.match(await run(hog), { code: 0 })
  const limited = await run(hog, (spec) => {
    const limit = 48 * MB
    spec.linux.resources = { memory: { limit, ...(countsSwap && { swap: limit }) } }
  })
  t.equal(limited.code, 128 + 9)
})

/** Milliseconds on a processor; the kernel counts in hundredths of a second. */
function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** How often a process has been kept from running by its quota. */
function throttled(pid: number): number {
  const controllers = [...cgroupsOf(pid)].find(([name]) =>
    isV2 ? name === '' : name.split(',').includes('cpu'),
  )
  const [names = '', path = ''] = controllers ?? []
  const stat = readFileSync(`/sys/fs/cgroup/${names}${path}/cpu.stat`, 'utf8')
  return Number(/^nr_throttled (\d+)$/m.exec(stat)?.[1])
}

t.test('a busy loop gets what its quota is', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['sh', '-c', 'while :; do :; done'] })
  const pid = await running(b, (spec) => {
    spec.linux.resources = { cpu: { quota: 20_000, period: 50_000 } }
  })
  await eventually('it is throttled', () => throttled(pid) > 2)
  const [before, start] = [processorMs(pid), performance.now()]
  await new Promise((done) => setTimeout(done, 1000))
  const share = (processorMs(pid) - before) / (performance.now() - start)
  t.ok(share < 0.7, `${share} of a processor, where 0.4 are allowed`)
})

t.test('a limit that the kernel refuses is an error, with its place', { skip }, async (t) => {
  const run = await runner(t)
  const failed = await run(['true'], (spec) => {
    spec.linux.resources = { cpu: { period: 100 } }
  })
  t.match(failed, {
    code: 1,
    stderr:
      /unable to set cpu\..* to (max )?100: write .*: invalid argument .*config\.json:\d+:\d+/,
  })
})

t.test('unified needs cgroup v2', { skip: skip || (isV2 && 'needs cgroup v1') }, async (t) => {
  const run = await runner(t)
  const failed = await run(['true'], (spec) => {
    spec.linux.resources = { unified: { 'pids.max': '5' } }
  })
  t.match(failed, { code: 1, stderr: /invalid configuration: cannot use unified on cgroup v1/ })
})

t.test(
  'unified: names only files that limit the container (T-29)',
  { skip: skip || needs('cgroup v2') },
  async (t) => {
    const run = await runner(t)
    const names = ['../memory.max', 'cgroup.procs', 'none.max']
    for (const name of names) {
      const failed = await run(['true'], (spec) => {
        spec.linux.resources = { unified: { [name]: '1' } }
      })
      t.match(failed, { code: 1, stderr: /unified/ }, name)
    }
    const good = await run(['true'], (spec) => {
      spec.linux.resources = { unified: { 'cgroup.max.depth': '5', 'memory.high': 'max' } }
    })
    t.match(good, { code: 0, stderr: '' })
  },
)
