import t from 'tap'
import { rowsOf } from './ps.ts'

const TABLE =
  'UID        PID  PPID  C STIME TTY          TIME CMD\n' +
  'root         1     0  0 14:49 ?        00:00:00 init\n' +
  'root      7363     1  0 14:49 ?        00:00:00 sleep 12\n' +
  'root        12  7363  0 14:49 ?        00:00:00 [sh]\n\n'

t.test('rowsOf() keeps the header and the rows of the processes', async (t) => {
  const lines = TABLE.split('\n')
  t.equal(rowsOf(TABLE, [7363, 12]), `${lines[0]}\n${lines[2]}\n${lines[3]}\n`)
  t.equal(rowsOf(TABLE, []), `${lines[0]}\n`)
  t.equal(rowsOf('  PID\n   12\n  121\n', [12]), '  PID\n   12\n')
})

t.test('rowsOf() needs a column of numbers that is called PID', async (t) => {
  for (const table of ['', '\n', 'COMMAND\nsleep\n', 'LPID\n1\n'])
    t.throws(() => rowsOf(table, [1]), { message: "couldn't find PID field in ps output" })
  t.throws(() => rowsOf('COMM PID\nweb content 12\n', [12]), /^unable to parse pid: "content"/)
  t.throws(() => rowsOf('COMM PID\nsh\n', [12]), /unable to parse pid: ""/)
})
