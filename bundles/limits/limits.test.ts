import { readFileSync } from 'node:fs'
import t from 'tap'
import { processLimit, processStatus } from '../../src/testing/kernel.ts'
import { needs } from '../../src/testing/needs.ts'
import { openBundle } from '../open-bundle.ts'

const skip = needs('root', 'program')

t.test('limits shows its limits, and what meets them fails', { skip }, async (t) => {
  const { code, stdout, stderr } = await openBundle(t, 'limits').run()
  t.equal(stderr, '')
  t.equal(code, 0)
  t.match(stdout, /^Max cpu time +10 +20 +seconds/m)
  t.match(stdout, /^Max open files +64 +128 +files/m)
  t.match(
    stdout,
    new RegExp(
      [
        'umask: 0027',
        'oom score adjustment: 500',
        'a large file ends at 65536 bytes',
        'no way to open more than 128 files',
        '$',
      ].join('\n'),
    ),
  )
})

t.test('limits has its limits already when it waits', { skip }, async (t) => {
  const { pid } = await openBundle(t, 'limits').create()
  t.same(processLimit(pid, 'Max open files'), { soft: '64', hard: '128' })
  t.same(processLimit(pid, 'Max core file size'), { soft: '0', hard: '0' })
  t.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'), '500\n')
  t.equal(processStatus(pid, 'Umask'), '0027')
})
