import t from 'tap'
import type { Log } from './log.ts'
import { enableTiming, mark, report } from './timing.ts'

t.test('mark() records only once timing is enabled, report() empties the list', async (t) => {
  const messages: string[] = []
  const nothing = () => {}
  const log: Log = {
    debugEnabled: true,
    debug: (message) => messages.push(message),
    info: nothing,
    warning: nothing,
    error: nothing,
  }
  mark('before')
  report(log)
  t.same(messages, [])
  enableTiming()
  mark('one')
  mark('two')
  report(log)
  report(log)
  t.equal(messages.length, 2)
  t.match(messages[0], /^phase one: \d+\.\d{3} ms$/)
  t.match(messages[1], /^phase two: \d+\.\d{3} ms$/)
})
