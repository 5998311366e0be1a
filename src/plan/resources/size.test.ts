import t from 'tap'
import { parseSize } from './size.ts'

t.test('parseSize() takes units of 1024', async (t) => {
  for (const [text, bytes] of [
    ['0', 0],
    ['32', 32],
    ['+32', 32],
    ['32b', 32],
    ['32B', 32],
    ['32k', 32 << 10],
    ['32K', 32 << 10],
    ['32kb', 32 << 10],
    ['32Kb', 32 << 10],
    ['512kib', 512 << 10],
    ['512KiB', 512 << 10],
    ['50M', 50 << 20],
    ['50 MB', 50 << 20],
    ['1g', 2 ** 30],
    ['3T', 3 * 2 ** 40],
    ['2p', 2 ** 51],
    ['-1', -1],
  ] as const) {
    t.equal(parseSize(text), bytes, text)
  }
})

t.test('parseSize() takes fractions, and drops what is less than a byte', async (t) => {
  t.equal(parseSize('1.5g'), 1_610_612_736)
  t.equal(parseSize('.5k'), 512)
  t.equal(parseSize('5.k'), 5120)
  t.equal(parseSize('1.9'), 1)
  t.equal(parseSize('0.3k'), 307)
  t.equal(parseSize(`0.${'9'.repeat(1000)}p`), 2 ** 50 - 1)
})

t.test('parseSize() does not round', async (t) => {
  t.equal(parseSize('9007199254740991'), 9_007_199_254_740_991)
  t.equal(parseSize('9007199254740993'), 9_007_199_254_740_993n)
  t.equal(parseSize('9223372036854775807'), 9_223_372_036_854_775_807n)
  t.equal(parseSize('8191p'), 8191n << 50n)
})

t.test('parseSize() refuses everything else', async (t) => {
  for (const text of [
    '',
    ' ',
    '.',
    'm',
    '-2',
    '-1k',
    '1  k',
    ' 1',
    '0x10',
    '1,5g',
    '1.2.3',
    '1\n',
  ]) {
    t.throws(() => parseSize(text), { message: `invalid size: '${text}'` }, text)
  }
  for (const text of ['9223372036854775808', '8192p']) {
    t.throws(() => parseSize(text), { message: `invalid size: '${text}'` }, text)
  }
  for (const suffix of ['x', 'bb', 'ki', 'kbb', 'kibi', 'e']) {
    t.throws(() => parseSize(`1${suffix}`), { message: `invalid suffix: '${suffix}'` }, suffix)
  }
})
