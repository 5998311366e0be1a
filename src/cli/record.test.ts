import t from 'tap'
import { jsonRecord, type LogRecord, rfc3339, terminalRecord, textRecord } from './record.ts'

const time = new Date('2026-01-31T08:05:09.999Z')
const record = (more: Partial<LogRecord> = {}): LogRecord => ({
  time,
  level: 'error',
  message: 'it failed',
  fields: {},
  ...more,
})
const stamp = rfc3339(time)

t.test('rfc3339() carries the local offset', async (t) => {
  t.equal(rfc3339(time, 0), '2026-01-31T08:05:09Z')
  t.equal(rfc3339(time, 330), '2026-01-31T13:35:09+05:30')
  t.equal(rfc3339(time, -570), '2026-01-30T22:35:09-09:30')
  t.equal(Date.parse(rfc3339(time)), Date.parse('2026-01-31T08:05:09Z'))
})

t.test('textRecord() quotes values with anything but plain characters', async (t) => {
  const head = `time="${stamp}" level=error`
  t.equal(textRecord(record({ message: 'a-b._/@^+9' })), `${head} msg=a-b._/@^+9\n`)
  t.equal(textRecord(record()), `${head} msg="it failed"\n`)
  t.equal(textRecord(record({ message: '' })), `${head} msg=\n`)
  t.equal(textRecord(record({ message: 'a=b' })), `${head} msg="a=b"\n`)
})

t.test('textRecord() puts func first, then fields in order', async (t) => {
  const line = textRecord(record({ func: 'create', fields: { pid: 7, error: 'x y', level: 'z' } }))
  t.match(line, / msg="it failed" func=create error="x y" fields\.level=z pid=7\n$/)
})

t.test('a message cannot forge another record', async (t) => {
  const message = 'x\ntime="2020" level=error msg=forged\x1b[2J'
  for (const line of [
    textRecord(record({ message })),
    jsonRecord(record({ message })),
    terminalRecord(record({ message }), 0),
  ]) {
    t.equal(line.indexOf('\n'), line.length - 1)
    t.notMatch(line, '\x1b[2J')
  }
})

t.test('terminalRecord() is coloured and padded', async (t) => {
  const line = terminalRecord(record({ fields: { pid: 7 } }), time.getTime() - 2500)
  t.equal(line, `\x1b[31mERRO\x1b[0m[0002] ${'it failed'.padEnd(44)}  \x1b[31mpid\x1b[0m=7\n`)
  t.match(terminalRecord(record({ level: 'warning' }), 0), '\x1b[33mWARN\x1b[0m[')
})

t.test('jsonRecord() is one line with members in alphabetical order', async (t) => {
  const line = jsonRecord(record({ func: 'run', fields: { status: 'x', error: 'e', pid: 7 } }))
  t.equal(
    line,
    `{"error":"e","func":"run","level":"error","msg":"it failed","pid":7,"status":"x","time":"${stamp}"}\n`,
  )
})
