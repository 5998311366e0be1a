import t from 'tap'
import { median, ratio } from './statistics.ts'

t.test('median() is the middle value, whatever the order', async (t) => {
  t.equal(median([3]), 3)
  t.equal(median([10, 1, 2]), 2)
  t.equal(median([4, 1, 10, 2]), 3)
  t.throws(() => median([]), /no values/)
})

t.test('ratio() needs both values', async (t) => {
  t.equal(ratio(1, 3), 0.33)
  t.equal(ratio(undefined, 3), undefined)
  t.equal(ratio(1, undefined), undefined)
})
