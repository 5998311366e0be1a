import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { O, open, writeAll } from './file.ts'
import {
  eventfd,
  inotify,
  isReaderGone,
  takeChanges,
  takeCount,
  watchContent,
} from './notification.ts'
import { POLL, pollIn, seqpacketPair } from './socket.ts'

t.test('an eventfd counts until it is taken', async (t) => {
  const fd = eventfd()
  t.equal(takeCount(fd), 0, 'does not wait')
  t.same(pollIn([fd], 0), [0])
  for (const bytes of ['\x02\0\0\0\0\0\0\0', '\x01\0\0\0\0\0\0\0']) writeAll(fd, bytes)
  t.same(pollIn([fd], 0), [POLL.IN])
  t.equal(takeCount(fd), 3)
  t.equal(takeCount(fd), 0)
  fd.close()
})

t.test('inotify tells which file has changed', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'tsrun-notification-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  for (const name of ['one', 'two']) writeFileSync(join(path, name), '')
  const dir = open(undefined, path, O.RDONLY | O.DIRECTORY)
  const fd = inotify()
  const one = watchContent(fd, dir, 'one')
  const two = watchContent(fd, dir, 'two')
  t.same([...takeChanges(fd)], [], 'does not wait')
  writeFileSync(join(path, 'two'), 'x')
  t.same(pollIn([fd], 1000), [POLL.IN])
  t.same([...takeChanges(fd)], [two])
  // more than one read takes
  for (let i = 0; i < 300; i++) {
    writeFileSync(join(path, 'one'), 'x')
    writeFileSync(join(path, 'two'), 'x')
  }
  t.same([...takeChanges(fd)].sort(), [one, two].sort())
  t.same([...takeChanges(fd)], [])
  t.throws(() => watchContent(fd, dir, 'three'), { code: 'ENOENT', subject: `${path}/three` })
  for (const each of [fd, dir]) each.close()
})

t.test('isReaderGone() is true once the other end is closed', async (t) => {
  const [one, two] = seqpacketPair(['one', 'two'])
  t.equal(isReaderGone(one.number), false)
  two.close()
  t.equal(isReaderGone(one.number), true)
  one.close()
  const file = open(undefined, '/dev/null', O.WRONLY)
  t.equal(isReaderGone(file.number), false, 'a file has no reader to lose')
  file.close()
})
