import t from 'tap'
import { stringifyExact } from './json.ts'

t.test('stringifyExact() writes bigint as a number with every digit', async (t) => {
  t.equal(
    stringifyExact({ a: 2n ** 64n - 1n, b: [-(2n ** 63n), 0n], c: { d: 1.5 } }),
    '{"a":18446744073709551615,"b":[-9223372036854775808,0],"c":{"d":1.5}}',
  )
})

t.test('stringifyExact() is JSON.stringify for everything else', async (t) => {
  const values = [
    null,
    true,
    0,
    'a "b"\n\u{1f600}',
    [],
    {},
    [undefined, null, [1, '2']],
    { a: undefined, b: null, 'c"': { d: [{}] } },
    Number.NaN,
  ]
  for (const value of values) t.equal(stringifyExact(value), JSON.stringify(value))
})
