import t from 'tap'
import { LONGEST_MESSAGE, POLL, pollIn, receive, send, seqpacketPair } from './socket.ts'

t.test('send() and receive() keep messages apart', async (t) => {
  const [one, two] = seqpacketPair(['one', 'two'])
  send(one, new Uint8Array([1, 2]))
  send(one, new Uint8Array(LONGEST_MESSAGE).fill(3))
  t.same([...receive(two)], [1, 2])
  const long = receive(two)
  t.equal(long.length, LONGEST_MESSAGE)
  t.ok(long.every((byte) => byte === 3))
  one.close()
  t.equal(receive(two).length, 0, 'empty when the other end is closed')
  t.throws(() => send(two, new Uint8Array([1])), { code: 'EPIPE' })
  two.close()
})

t.test('what was sent before an end closed is received, whatever it left unread', async (t) => {
  const [one, two] = seqpacketPair(['one', 'two'])
  send(two, new Uint8Array([9]))
  send(one, new Uint8Array([1]))
  one.close()
  t.same([...receive(two)], [1])
  t.equal(receive(two).length, 0)
  two.close()
})

t.test('pollIn() tells which descriptor has something', async (t) => {
  const [one, two] = seqpacketPair(['one', 'two'])
  t.same(pollIn([one, two], 0), [0, 0], 'nothing yet')
  send(one, new Uint8Array([1]))
  t.same(pollIn([one, two], 1000), [0, POLL.IN])
  one.close()
  t.ok((pollIn([two], 1000)[0] ?? 0) & POLL.HUP)
  two.close()
})
