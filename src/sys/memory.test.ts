import t from 'tap'
import { alloc, at, get64, put64, str, text, view } from './memory.ts'

t.test('put64() writes numbers and bigints of every size', async (t) => {
  const offset = alloc(8)
  for (const [value, expected] of [
    [0, 0n],
    [1, 1n],
    [0xffff_ffff, 0xffff_ffffn],
    [2 ** 53 - 1, 2n ** 53n - 1n],
    [-1, 2n ** 64n - 1n],
    [-4096, 2n ** 64n - 4096n],
    [2n ** 64n - 1n, 2n ** 64n - 1n],
    [-1n, 2n ** 64n - 1n],
    [2n ** 63n, 2n ** 63n],
  ] as const) {
    put64(offset, value)
    t.equal(view.getBigUint64(offset, true), expected, `${value}`)
  }
  put64(offset, 2 ** 52 + 1)
  t.equal(get64(offset), 2 ** 52 + 1)
})

t.test('alloc() gives zeroed, aligned, separate memory', async (t) => {
  for (let i = 0; i < 1000; i++) {
    const [one, two] = [alloc(13), alloc(7)]
    t.notOk(one % 8 || two % 8 || Math.abs(one - two) < 13)
    view.setUint8(one, 255)
    if (view.getUint8(two) !== 0) t.fail('not zeroed')
  }
})

t.test('str() puts UTF-8 with a nul behind it', async (t) => {
  const address = str('é✓')
  const offset = address - at(0)
  t.equal(text(offset, 5), 'é✓')
  t.equal(view.getUint8(offset + 5), 0)
  t.throws(() => str('a\0b'), RangeError)
  t.throws(() => str('x'.repeat(70_000)), /too long/)
})
