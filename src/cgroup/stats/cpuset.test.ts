import t from 'tap'
import { cpusetStats } from './cpuset.ts'
import { NO_FILES } from './files.ts'
import { filesOf } from './testing.ts'

const ZEROS = {
  cpu_exclusive: 0n,
  mem_hardwall: 0n,
  mem_exclusive: 0n,
  memory_migrate: 0n,
  memory_spread_page: 0n,
  memory_spread_slab: 0n,
  memory_pressure: 0n,
  sched_load_balance: 0n,
  sched_relax_domain_level: 0n,
}

t.test('cpusetStats() has every flag, and ids where there are any', async (t) => {
  const stats = cpusetStats(
    filesOf({
      'cpuset.cpus': '0-1\n',
      'cpuset.mems': '0\n',
      'cpuset.sched_load_balance': '1\n',
      'cpuset.sched_relax_domain_level': '-1\n',
    }),
  )
  t.same(stats, {
    ...ZEROS,
    cpus: [0, 1],
    mems: [0],
    sched_load_balance: 1n,
    sched_relax_domain_level: -1n,
  })
  t.same(Object.keys(stats).slice(0, 4), ['cpus', 'cpu_exclusive', 'mems', 'mem_hardwall'])
})

t.test('cpusetStats() is zero without the controller', async (t) => {
  t.same(cpusetStats(NO_FILES), ZEROS)
  t.same(cpusetStats(filesOf({ 'cpuset.cpus': '\n' })), ZEROS)
})
