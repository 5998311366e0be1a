import t from 'tap'
import { parseUser } from './exec.ts'

t.test('--user: decimal numbers, whole, or an error; never another user (T-15)', async (t) => {
  t.same(parseUser('1'), { uid: 1 })
  t.same(parseUser('1:2'), { uid: 1, gid: 2 })
  t.same(parseUser('0:0'), { uid: 0, gid: 0 })
  t.same(parseUser('01'), { uid: 1 })
  t.same(parseUser('4294967294'), { uid: 4294967294 })
  const refused = {
    uid: ['0x1', '1a', '-1', '+1', ' 1', '1 ', '', 'root', '1.0', '1e3', '４', ':5', '4294967295'],
    gid: ['1:', '1:x', '1:-1', '1:2:3', '1: 2', '1:4294967295', '1:4294967296', 'a:'],
  }
  for (const [what, texts] of Object.entries(refused)) {
    for (const text of texts) {
      t.throws(() => parseUser(text), { message: new RegExp(`^bad ${what}: `) }, text)
    }
  }
  t.throws(() => parseUser('4294967296'), /value out of range/)
})
