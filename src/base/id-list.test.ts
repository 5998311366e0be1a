import t from 'tap'
import { parseIdList } from './id-list.ts'

t.same(parseIdList('0-3, 7,2', 8), [0, 1, 2, 3, 7])
t.same(parseIdList('', 8), [])
for (const text of ['x', '1-', '-1', '1--2', '1,', '3-1', '8', '1-2-3', '0x1', '1e1']) {
  t.throws(() => parseIdList(text, 8), text)
}
