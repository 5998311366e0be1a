import t from 'tap'
import { parseDuration } from './duration.ts'

t.test('parseDuration() reads what Go reads', async (t) => {
  const cases: readonly (readonly [string, number])[] = [
    ['5s', 5000],
    ['100ms', 100],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['5.s', 5000],
    ['-1s', -1000],
    ['+2s', 2000],
    ['1us', 0.001],
    ['1µs', 0.001],
    ['1μs', 0.001],
    ['1ns', 0.000001],
    ['1h2m3s4ms', 3_723_004],
    ['0', 0],
    ['+0', 0],
    ['0s', 0],
  ]
  for (const [text, ms] of cases) t.equal(parseDuration(text), ms, text)
})

t.test('parseDuration() refuses everything else', async (t) => {
  for (const text of [
    '',
    '-',
    '5',
    's',
    '1d',
    '1 s',
    '5S',
    '1s5',
    '--1s',
    '.s',
    '1e3s',
    '9999999h',
  ])
    t.equal(parseDuration(text), undefined, text)
})
