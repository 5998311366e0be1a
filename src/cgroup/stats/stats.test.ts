import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { stringifyExact } from '../../base/json.ts'
import type { CgroupPlan } from '../../plan/cgroup.ts'
import { readStats, StatsReader } from './stats.ts'

/** A directory with these files for each hierarchy, by its controllers. */
function planOf(
  t: Test,
  mode: CgroupPlan['mode'],
  hierarchies: Readonly<Record<string, Readonly<Record<string, string>>>>,
): CgroupPlan {
  const paths = Object.entries(hierarchies).map(([controllers, files]) => {
    const path = mkdtempSync(join(tmpdir(), 'tsrun-stats-'))
    t.teardown(() => rmSync(path, { recursive: true }))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text)
    return { controllers, mountPoint: '/', path }
  })
  return { mode, driver: 'cgroupfs', paths }
}

const CPUSET =
  '"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,' +
  '"memory_spread_page":0,"memory_spread_slab":0,"memory_pressure":0,' +
  '"sched_load_balance":0,"sched_relax_domain_level":0'

t.test('readStats() reads version 1 from the hierarchy of each controller', async (t) => {
  const plan = planOf(t, 'hybrid', {
    'cpu,cpuacct': { 'cpu.stat': 'nr_periods 1\n', 'cpuacct.usage': '2\n' },
    'memory,pids': {
      'memory.usage_in_bytes': '18446744073709551615\n',
      'pids.current': '3\n',
      'pids.max': 'max\n',
    },
    '': { 'memory.current': '5\n', 'cpu.stat': 'usage_usec 5\n' },
  })
  t.equal(
    stringifyExact(readStats(plan)),
    '{"cpu":{"usage":{"total":2,"kernel":0,"user":0},"throttling":{"periods":1}},' +
      `"cpuset":{${CPUSET}},` +
      '"memory":{"usage":{"limit":0,"usage":18446744073709551615,"failcnt":0}},' +
      '"pids":{"current":3},"blkio":{},"hugetlb":{},"intel_rdt":{},"network_interfaces":null}',
  )
})

t.test('readStats() reads version 2 from one directory', async (t) => {
  const plan = planOf(t, 'v2', { '': { 'memory.current': '5\n', 'cpu.stat': 'usage_usec 5\n' } })
  t.equal(
    stringifyExact(readStats(plan, { l3_cache_schema: 'L3:0=f' })),
    '{"cpu":{"usage":{"total":5000,"kernel":0,"user":0}},' +
      `"cpuset":{${CPUSET}},` +
      '"memory":{"usage":{"limit":0,"usage":5,"failcnt":0},"swap":{"limit":0,"usage":5,"failcnt":0}},' +
      '"pids":{},"blkio":{},"hugetlb":{},"intel_rdt":{"l3_cache_schema":"L3:0=f"},' +
      '"network_interfaces":null}',
  )
})

t.test('a container without cgroups has statistics, all zero', async (t) => {
  const zero =
    `{"cpu":{},"cpuset":{${CPUSET}},"memory":{},"pids":{},"blkio":{},"hugetlb":{},` +
    '"intel_rdt":{},"network_interfaces":null}'
  const gone = { controllers: '', mountPoint: '/', path: '/no/such/cgroup' }
  for (const mode of ['v1', 'hybrid', 'v2'] as const) {
    t.equal(stringifyExact(readStats({ mode, driver: 'cgroupfs', paths: [gone] })), zero, mode)
    t.equal(stringifyExact(readStats({ mode, driver: 'disabled', paths: [] })), zero, mode)
  }
})

t.test('StatsReader keeps to the directories that it has opened', async (t) => {
  const plan = planOf(t, 'v2', { '': { 'pids.current': '1\n' } })
  const reader = new StatsReader(plan)
  t.same(reader.read().pids, { current: 1n })
  for (const { path } of plan.paths) {
    rmSync(join(path, 'pids.current'))
  }
  t.same(reader.read().pids, {}, 'what is gone is zero')
  reader[Symbol.dispose]()
})
