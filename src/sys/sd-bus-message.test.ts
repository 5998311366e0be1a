import t from 'tap'
import { typesOf } from './sd-bus-message.ts'

t.test('typesOf() finds the complete types of a signature', (t) => {
  t.same(typesOf('ssa(sv)a(sa(sv))'), ['s', 's', 'a(sv)', 'a(sa(sv))'])
  t.same(typesOf('aayb((su)t)'), ['aay', 'b', '((su)t)'])
  t.same(typesOf(''), [])
  t.end()
})
