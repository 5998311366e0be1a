import t from 'tap'
import { decodeName, encodeName } from './text.ts'

t.test('names that are not UTF-8 survive', async (t) => {
  const names: number[][] = [
    [0x61, 0xff, 0xfe],
    [0xc3, 0xa4], // ä
    [0xc3],
    [0xe2, 0x82],
    [0xed, 0xa0, 0x80], // a surrogate, which UTF-8 does not have
    [0xc0, 0x80], // NUL in two bytes
    [0xef, 0xbf, 0xbd], // the replacement character itself
    [0xf0, 0x9f, 0x98, 0x80, 0x80],
  ]
  for (const bytes of names) {
    const name = Buffer.from(bytes)
    t.same([...encodeName(decodeName(name, name.toString()))], bytes, name.toString('hex'))
  }
})

t.test('a name that is UTF-8 is itself', async (t) => {
  t.equal(decodeName(Buffer.from('ä\ufffd😀'), 'ä\ufffd😀'), 'ä\ufffd😀')
  t.same(encodeName('ä😀'), Buffer.from('ä😀'))
  t.same(encodeName('\ud800'), Buffer.from('\ufffd'), 'what no name is decoded to')
})
