import t from 'tap'
import { NO_FILES } from './files.ts'
import { memoryStatsV1, memoryStatsV2 } from './memory.ts'
import { filesOf } from './testing.ts'
import { UNLIMITED } from './text.ts'

t.test('memoryStatsV1() has an entry for each counter', async (t) => {
  const stats = memoryStatsV1(
    filesOf({
      'memory.stat': 'rss 49152\ncache 12288\nactive_anon 4096\n',
      'memory.limit_in_bytes': '9223372036854771712\n',
      'memory.usage_in_bytes': '733184\n',
      'memory.max_usage_in_bytes': '2506752\n',
      'memory.failcnt': '2\n',
      'memory.kmem.limit_in_bytes': '9223372036854771712\n',
      'memory.kmem.usage_in_bytes': '0\n',
      'memory.kmem.max_usage_in_bytes': '0\n',
      'memory.kmem.failcnt': '0\n',
      // a newer kernel has no limit here
      'memory.kmem.tcp.usage_in_bytes': '7\n',
    }),
  )
  t.same(stats, {
    cache: 12288n,
    usage: { limit: 9223372036854771712n, usage: 733184n, max: 2506752n, failcnt: 2n },
    kernel: { limit: 9223372036854771712n, failcnt: 0n },
    kernelTCP: { limit: 0n, usage: 7n, failcnt: 0n },
    raw: { active_anon: 4096n, cache: 12288n, rss: 49152n },
  })
  t.same(Object.keys(stats), ['cache', 'usage', 'kernel', 'kernelTCP', 'raw'])
  t.same(Object.keys(stats.raw ?? {}), ['active_anon', 'cache', 'rss'])
  t.same(Object.keys(stats.usage ?? {}), ['limit', 'usage', 'max', 'failcnt'])
})

t.test('memoryStatsV2() counts memory in swap, as version 1 does', async (t) => {
  const files = {
    'memory.stat': 'anon 8192\nfile 4096\n',
    'memory.current': '100000\n',
    'memory.max': '200000\n',
    'memory.peak': '150000\n',
    'memory.swap.current': '1000\n',
    'memory.swap.max': '50000\n',
  }
  t.same(memoryStatsV2(filesOf(files)), {
    cache: 4096n,
    usage: { limit: 200000n, usage: 100000n, max: 150000n, failcnt: 0n },
    swap: { limit: 250000n, usage: 101000n, failcnt: 0n },
    raw: { anon: 8192n, file: 4096n },
  })
  const swapLimit = (changed: Readonly<Record<string, string>>): bigint | undefined =>
    memoryStatsV2(filesOf({ ...files, ...changed })).swap?.limit
  t.equal(swapLimit({ 'memory.swap.max': 'max\n' }), UNLIMITED)
  t.equal(swapLimit({ 'memory.max': 'max\n' }), UNLIMITED, 'no overflow')
  t.equal(swapLimit({ 'memory.max': 'max\n', 'memory.swap.max': 'max\n' }), UNLIMITED)
})

t.test('memoryStatsV2() without swap has that of memory', async (t) => {
  const stats = memoryStatsV2(filesOf({ 'memory.current': '5\n', 'memory.max': 'max\n' }))
  t.same(stats.swap, { limit: UNLIMITED, usage: 5n, failcnt: 0n })
})

t.test('nothing is told of a controller that is missing', async (t) => {
  t.same(memoryStatsV1(NO_FILES), {})
  t.same(memoryStatsV2(NO_FILES), {})
})
