import { readFileSync } from 'node:fs'
import t from 'tap'
import { affinity, CPU_SET_BYTES, cpuSet, setAffinity, setScheduling } from './scheduling.ts'

/** The CPUs of this process, as the kernel writes them. */
function allowed(): string {
  return /^Cpus_allowed:\s+(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
}

t.test('cpuSet() has a bit for each CPU', async (t) => {
  const set = cpuSet([0, 9, 8191, 8192, 65_535])
  t.equal(set.length, CPU_SET_BYTES)
  t.same([set[0], set[1], set[CPU_SET_BYTES - 1]], [1, 2, 0x80])
  t.equal(
    set.reduce((sum, byte) => sum + byte, 0),
    1 + 2 + 0x80,
    'and no other',
  )
})

t.test('affinity() is what setAffinity() has set', async (t) => {
  const before = affinity()
  const first = before.findIndex((byte) => byte !== 0) * 8
  const cpu =
    first + [0, 1, 2, 3, 4, 5, 6, 7].findIndex((bit) => (before[first / 8] ?? 0) & (1 << bit))
  const text = allowed()
  setAffinity(cpuSet([cpu]), 'one')
  t.teardown(() => setAffinity(before, 'before'))
  t.same(affinity(), cpuSet([cpu]).subarray(0, before.length))
  t.equal(BigInt(`0x${allowed().replaceAll(',', '')}`), 1n << BigInt(cpu))
  setAffinity(before, 'before')
  t.equal(allowed(), text)
  t.throws(() => setAffinity(cpuSet([]), 'none'), { code: 'EINVAL' })
})

t.test('setScheduling() says what the kernel refuses', async (t) => {
  t.throws(() => setScheduling(0, new Uint8Array(48).fill(0xff)), { message: /^sched_setattr: / })
})
