import t from 'tap'
import { NO_FILES } from './files.ts'
import { pidsStats } from './pids.ts'
import { filesOf } from './testing.ts'

t.test('pidsStats() has no limit where there is none', async (t) => {
  t.same(pidsStats(filesOf({ 'pids.current': '3\n', 'pids.max': '10\n' })), {
    current: 3n,
    limit: 10n,
  })
  t.same(pidsStats(filesOf({ 'pids.current': '3\n', 'pids.max': 'max\n' })), { current: 3n })
  t.same(pidsStats(filesOf({ 'pids.current': '0\n', 'pids.max': '0\n' })), {})
})

t.test('pidsStats() counts processes without the controller', async (t) => {
  t.same(pidsStats(filesOf({ 'cgroup.procs': '12\n345\n' })), { current: 2n })
  t.same(pidsStats(filesOf({ 'cgroup.threads': '12\n13\n14\n' })), { current: 3n })
  t.same(pidsStats(NO_FILES), {})
})
