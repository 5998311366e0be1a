import t from 'tap'
import {
  parseIds,
  parseKeyed,
  parseNumbers,
  parseSigned,
  parseUnsigned,
  UNLIMITED,
  unlessZero,
  withoutZeros,
} from './text.ts'

t.test('parseUnsigned() keeps every digit', async (t) => {
  t.equal(parseUnsigned('0\n'), 0n)
  t.equal(parseUnsigned('9223372036854771712\n'), 9223372036854771712n)
  t.equal(parseUnsigned('18446744073709551615'), UNLIMITED)
  t.equal(parseUnsigned('max\n'), UNLIMITED)
  t.equal(parseUnsigned('-4096\n'), 0n, 'the kernel errs below zero')
  t.equal(parseUnsigned('-99999999999999999999999'), 0n)
})

t.test('parseUnsigned() refuses what is no number', async (t) => {
  for (const text of ['', '\n', '1 2', '0x10', '1.5', 'maximum', '1_000', '18446744073709551616'])
    t.throws(() => parseUnsigned(text), /is not a number|is out of range/, JSON.stringify(text))
})

t.test('parseSigned() has a sign', async (t) => {
  t.equal(parseSigned('-1\n'), -1n)
  t.equal(parseSigned('3'), 3n)
  t.throws(() => parseSigned('max'), /is not a number/)
})

t.test('parseKeyed() reads lines of name and number', async (t) => {
  t.same(
    [...parseKeyed('nr_periods 7\nburst max\ntotal_inactive_anon -1\n')],
    [
      ['nr_periods', 7n],
      ['burst', UNLIMITED],
      ['total_inactive_anon', 0n],
    ],
  )
  t.equal(parseKeyed('').size, 0)
  for (const text of ['alone\n', 'a 1 2\n', 'a b\n'])
    t.throws(() => parseKeyed(text), /is not a/, JSON.stringify(text))
})

t.test('parseNumbers() takes any blanks', async (t) => {
  t.same(parseNumbers('9732880 1290371 \n'), [9732880n, 1290371n])
  t.same(parseNumbers('\n'), [])
})

t.test('parseIds() expands ranges', async (t) => {
  t.same(parseIds('0-2,7\n'), [0, 1, 2, 7])
  t.same(parseIds('65535'), [65535])
  t.same(parseIds('\n'), [])
  for (const text of ['2-1', 'a', '1,', '0-65536', '-1', '1-2-3', '0-99999999999'])
    t.throws(() => parseIds(text), /is not a range/, text)
})

t.test('withoutZeros() and unlessZero() know what zero is', async (t) => {
  const zero = { a: 0n, b: '', c: [], d: undefined }
  t.same(withoutZeros(zero), {})
  t.equal(unlessZero(zero), undefined)
  const some = { b: 'x', a: 0n, c: 1n }
  t.same(Object.keys(withoutZeros(some)), ['b', 'c'])
  t.equal(unlessZero(some), some)
})
