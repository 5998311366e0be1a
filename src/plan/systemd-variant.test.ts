import t from 'tap'
import { parseVariant } from './systemd-variant.ts'

t.test('parseVariant() infers types', (t) => {
  for (const [text, signature, value] of [
    ['true', 'b', true],
    [' false ', 'b', false],
    ['5', 'i', 5],
    ['-5', 'i', -5],
    ['+5', 'i', 5],
    ['0x1F', 'i', 31],
    ['1.5', 'd', 1.5],
    ['1e3', 'd', 1000],
    ['.5', 'd', 0.5],
    ["'x'", 's', 'x'],
    ['"it\'s"', 's', "it's"],
    [String.raw`'a\n\'\u00e4\\'`, 's', "a\n'ä\\"],
    ["''", 's', ''],
    ['byte 0x2A', 'y', 42],
    ['int16 -1', 'n', -1],
    ['uint16 65535', 'q', 65_535],
    ['int32 7', 'i', 7],
    ['uint32 4294967295', 'u', 4_294_967_295],
    ['int64 -9223372036854775808', 'x', -(2n ** 63n)],
    ['uint64 18446744073709551615', 't', 2n ** 64n - 1n],
    ['double 5', 'd', 5],
    ['@t 5', 't', 5n],
    ["objectpath '/a'", 'o', '/a'],
    ["['a', 'b']", 'as', ['a', 'b']],
    ["['a','b']", 'as', ['a', 'b']],
    ['@as []', 'as', []],
    ['[uint64 1, 2]', 'at', [1n, 2n]],
    ["[('/dev/sda', uint64 5)]", 'a(st)', [['/dev/sda', 5n]]],
    ["[['a'], ['b']]", 'aas', [['a'], ['b']]],
  ] as const) {
    t.same(parseVariant(text), { signature, value }, text)
  }
  t.same([...(parseVariant('[byte 1, 2]').value as Uint8Array)], [1, 2])
  t.same([...(parseVariant("b'ab'").value as Uint8Array)], [97, 98, 0])
  t.end()
})

t.test('parseVariant() gives what has no type the one that is wanted', (t) => {
  for (const [text, wanted, value] of [
    ['5', 't', 5n],
    ['5', 'd', 5],
    ['5', 'u', 5],
    ['[]', 'as', []],
    ["[('x', 5)]", 'a(st)', [['x', 5n]]],
    ["'/x'", 'o', '/x'],
  ] as const) {
    t.same(parseVariant(text, wanted), { signature: wanted, value }, text)
  }
  t.same([...(parseVariant('[1, 255]', 'ay').value as Uint8Array)], [1, 255])
  t.end()
})

t.test('parseVariant() refuses what is none', (t) => {
  for (const [text, wanted] of [
    [''],
    ['word'],
    ['5 6'],
    ["'open"],
    ['['],
    ['[]'],
    ["['a'"],
    ["['a',]"],
    ["['a', 5]"],
    ['()'],
    ['{}'],
    ['uint64'],
    ['uint64 -1'],
    ['uint64 18446744073709551616'],
    ['byte 256'],
    ['int32 1.5'],
    ["uint64 'x'"],
    ['2147483648'],
    ['uint32 5', 't'],
    ["'x'", 't'],
    ['5', 's'],
    ['true', 't'],
    ["['a']", 's'],
    ["('a')", 's'],
    ["[('x', 'y')]", 'a(st)'],
    ["[('x', 1, 2)]", 'a(st)'],
  ] as const) {
    t.throws(() => parseVariant(text, wanted), SyntaxError, `${text} ${wanted}`)
  }
  t.end()
})
