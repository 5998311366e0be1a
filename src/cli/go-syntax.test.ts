import t from 'tap'
import { escapeControls, parseBoolean, parseInteger, quote } from './go-syntax.ts'

t.test('parseInteger() reads the integer literals of Go', async (t) => {
  const expected: Record<string, number> = {
    '0': 0,
    '-0': 0,
    '42': 42,
    '+42': 42,
    '-5': -5,
    '0x1F': 31,
    '0X1f': 31,
    '-0x10': -16,
    '0o17': 15,
    '017': 15,
    '0b101': 5,
    '0x_ff': 255,
    '0_7': 7,
    '0xf_f': 255,
    '9007199254740991': Number.MAX_SAFE_INTEGER,
  }
  for (const [text, value] of Object.entries(expected)) t.equal(parseInteger(text), value, text)
})

t.test('parseInteger() refuses what is no integer or too large', async (t) => {
  for (const text of [
    '',
    'x',
    '1.5',
    '1e3',
    '08',
    '0x',
    '0o8',
    '0b2',
    '1_000',
    '0x1__2',
    '0x1_',
    '--1',
    ' 1',
    '1n',
  ])
    t.throws(
      () => parseInteger(text),
      { message: `strconv.ParseInt: parsing ${quote(text)}: invalid syntax` },
      text,
    )
  t.throws(() => parseInteger('9223372036854775808'), { message: /value out of range/ })
})

t.test('parseBoolean() reads the booleans of Go and no others', async (t) => {
  for (const text of ['1', 't', 'T', 'TRUE', 'true', 'True']) t.equal(parseBoolean(text), true)
  for (const text of ['0', 'f', 'F', 'FALSE', 'false', 'False']) t.equal(parseBoolean(text), false)
  for (const text of ['yes', 'tRUE', '', '2'])
    t.throws(() => parseBoolean(text), { message: 'parse error' })
})

t.test('quote() escapes as Go does', async (t) => {
  t.equal(quote('a "b" \\c'), String.raw`"a \"b\" \\c"`)
  t.equal(quote('\n\t\x07\x1b\x7f'), String.raw`"\n\t\a\x1b\x7f"`)
  t.equal(quote('zażółć 日本'), '"zażółć 日本"')
  t.equal(quote('\u2028\u00a0'), String.raw`"\u2028\u00a0"`)
})

t.test('escapeControls() leaves text alone but for control characters not kept', async (t) => {
  t.equal(escapeControls('a\x1b[31mb\nc'), String.raw`a\x1b[31mb\nc`)
  t.equal(escapeControls('a\nb\r', '\n'), 'a\nb\\r')
})
