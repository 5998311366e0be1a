import t from 'tap'
import { toJson } from './json.ts'

t.test('toJson() writes big integers digit for digit', async (t) => {
  t.equal(
    toJson({ a: 18446744073709551615n, b: [-9223372036854775808n] }),
    '{"a":18446744073709551615,"b":[-9223372036854775808]}',
  )
  t.equal(toJson(0n), '0')
})

t.test('toJson() otherwise does as JSON.stringify', async (t) => {
  const value = { a: [1, 'x\n"\u0000', null, true], b: { c: 1.5 }, gone: undefined }
  t.equal(toJson(value), JSON.stringify(value))
  t.equal(toJson(value, 2), JSON.stringify(value, null, 2))
  t.equal(toJson(value, '\t'), JSON.stringify(value, null, '\t'))
})

t.test('toJson() takes no string for a number', async (t) => {
  const value = { text: 'u64:5', quoted: '"\\u0000u64:5"', n: 7n }
  const again = JSON.parse(toJson(value)) as typeof value
  t.strictSame(again, { text: 'u64:5', quoted: '"\\u0000u64:5"', n: 7 })
})
