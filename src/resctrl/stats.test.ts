import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readResctrlStats } from './stats.ts'
import { type FakeResctrl, fakeResctrl } from './testing.ts'

const NAMED = { group: 'gold', isNamed: true }

function withGold(fake: FakeResctrl): FakeResctrl {
  fake.write('gold/schemata', '    L3:0=000ff;1=fffff\n    MB:0= 20;1=100\n')
  fake.write('gold/mon_data/mon_L3_01/llc_occupancy', '7\n')
  fake.write('gold/mon_data/mon_L3_01/mbm_total_bytes', 'Unavailable\n')
  fake.write('gold/mon_data/mon_L3_01/mbm_local_bytes', '0\n')
  fake.write('gold/mon_data/mon_L3_00/llc_occupancy', '4096\n')
  fake.write('gold/mon_data/mon_L3_00/mbm_total_bytes', '18446744073709551615\n')
  fake.write('gold/mon_data/mon_L3_00/mbm_local_bytes', '5\n')
  fake.write('gold/mon_data/mon_PERF_PKG_00/core_energy', '1\n')
  return fake
}

t.test('readResctrlStats() is empty without intelRdt', async (t) => {
  t.strictSame(readResctrlStats(undefined), {})
  fakeResctrl(t)
  t.strictSame(readResctrlStats(undefined), {})
})

t.test('readResctrlStats() reads everything of a class', async (t) => {
  withGold(fakeResctrl(t))
  t.strictSame(readResctrlStats(NAMED), {
    l3_cache_info: { cbm_mask: 'fffff', min_cbm_bits: 2n, num_closids: 16n },
    l3_cache_schema_root: 'L3:0=fffff;1=fffff',
    l3_cache_schema: 'L3:0=000ff;1=fffff',
    mem_bw_info: { bandwidth_gran: 10n, delay_linear: 1n, min_bandwidth: 10n, num_closids: 8n },
    mem_bw_schema_root: 'MB:0=100;1=100',
    mem_bw_schema: 'MB:0= 20;1=100',
    schemata: ['L3:0=000ff;1=fffff', 'MB:0= 20;1=100'],
    mbm_stats: [{ mbm_total_bytes: 18446744073709551615n, mbm_local_bytes: 5n }, {}],
    cmt_stats: [{ llc_occupancy: 4096n }, { llc_occupancy: 7n }],
  })
})

t.test("readResctrlStats() prefers the container's own monitoring group", async (t) => {
  const fake = withGold(fakeResctrl(t))
  fake.write('gold/mon_groups/c1/mon_data/mon_L3_00/llc_occupancy', '99\n')
  fake.write('info/L3_MON/mon_features', 'llc_occupancy\n')
  const { cmt_stats, mbm_stats } = readResctrlStats({ ...NAMED, monitor: 'c1' })
  t.strictSame(cmt_stats, [{ llc_occupancy: 99n }])
  t.equal(mbm_stats, undefined)
})

t.test('readResctrlStats() leaves out what the host has not', async (t) => {
  const fake = withGold(fakeResctrl(t))
  rmSync(join(fake.root, 'info'), { recursive: true })
  t.strictSame(readResctrlStats(NAMED), { schemata: ['L3:0=000ff;1=fffff', 'MB:0= 20;1=100'] })
})

t.test('readResctrlStats() of a class that is gone is an error', async (t) => {
  fakeResctrl(t)
  t.throws(() => readResctrlStats(NAMED), { code: 'ENOENT' })
})
