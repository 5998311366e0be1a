import t from 'tap'
import { hugetlbStats } from './hugetlb.ts'
import { filesOf } from './testing.ts'

t.test('hugetlbStats() reads version 1, reservations if there are', async (t) => {
  const stats = hugetlbStats(
    filesOf({
      'hugetlb.2MB.usage_in_bytes': '1\n',
      'hugetlb.2MB.rsvd.usage_in_bytes': '4194304\n',
      'hugetlb.2MB.rsvd.max_usage_in_bytes': '6291456\n',
      'hugetlb.2MB.rsvd.failcnt': '2\n',
      'hugetlb.1GB.usage_in_bytes': '0\n',
      'hugetlb.1GB.max_usage_in_bytes': '1073741824\n',
      'hugetlb.1GB.failcnt': '0\n',
      'cgroup.procs': '',
    }),
  )
  t.same(stats, {
    '1GB': { max: 1073741824n, failcnt: 0n },
    '2MB': { usage: 4194304n, max: 6291456n, failcnt: 2n },
  })
  t.same(Object.keys(stats), ['1GB', '2MB'])
})

t.test('hugetlbStats() reads version 2, failures from the events', async (t) => {
  const files = filesOf({
    'hugetlb.64KB.current': '65536\n',
    'hugetlb.64KB.events': 'max 4\n',
    'hugetlb.2MB.current': '1\n',
    'hugetlb.2MB.rsvd.current': '0\n',
    'hugetlb.2MB.events': 'max 0\n',
    'hugetlb.2MB.numa_stat': 'total=0 N0=0\n',
  })
  t.same(hugetlbStats(files), { '2MB': { failcnt: 0n }, '64KB': { usage: 65536n, failcnt: 4n } })
})

t.test('hugetlbStats() is an empty object without the controller', async (t) => {
  t.same(hugetlbStats(filesOf({ 'memory.current': '1\n' })), {})
})
