import t from 'tap'
import { TestReport } from './test-report.ts'

function read(text: string, exitCode = 0) {
  const shown: string[] = []
  const report = new TestReport((line) => shown.push(line))
  for (const line of text.split('\n')) report.line(line)
  return { counts: report.end(exitCode), shown }
}

const GOOD = `TAP version 14
# Subtest: a.test.ts
    # Subtest: one
        ok 1 - an assertion
        1..1
    ok 1 - one # time=5ms
    ok 2 - two # SKIP needs root
    not ok 3 - three # TODO later
    1..3
ok 1 - a.test.ts # time=9ms`

t.test('TestReport counts tests, not assertions, and is brief about a good file', async (t) => {
  const { counts, shown } = read(GOOD)
  t.same(counts, { passed: 1, failed: 0, skipped: 2 })
  t.same(shown, ['ok - a.test.ts # time=9ms: 1 passed, 2 skipped'])
})

t.test('TestReport shows all of a file with a failure', async (t) => {
  const { counts, shown } = read(
    `${GOOD}
# Subtest: b.test.ts
    not ok 1 - four
      ---
      diff: |
        ok 1 - quoted
      ...
    ok 2 - five
    1..2
not ok 2 - b.test.ts
  ---
  exitCode: 1
  ...
# { total: 5 }`,
    1,
  )
  t.same(counts, { passed: 2, failed: 1, skipped: 2 })
  t.match(shown, [/^ok - a/, /Subtest: b/, /not ok 1 - four/])
  t.ok(shown.includes('not ok - b.test.ts: 1 passed, 1 failed'))
  t.equal(shown.at(-2), '  exitCode: 1')
})

t.test('TestReport counts a file that failed outside of its tests', async (t) => {
  const { counts } = read('    1..0 # no tests found\nnot ok 1 - c.test.ts\n  ---', 1)
  t.same(counts, { passed: 0, failed: 1, skipped: 0 })
})

t.test('TestReport counts a failure of tap that no test shows', async (t) => {
  t.same(read(GOOD, 1).counts, { passed: 1, failed: 1, skipped: 2 })
  t.match(read('Bail out! no more', 1).shown, ['Bail out! no more', 'tap: exit code 1'])
})
