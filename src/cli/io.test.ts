import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs'
import t from 'tap'
import { inUserNamespace } from '../sys/user-namespace.ts'
import {
  effectiveUserId,
  isTerminal,
  makeDirectories,
  openLog,
  setDirectoryMode,
  writeFd,
} from './io.ts'

t.test('openLog() appends, creates, and refuses a missing directory', async (t) => {
  const dir = t.testdir({ log: 'old\n' })
  for (const name of ['log', 'new']) {
    const fd = openLog(`${dir}/${name}`)
    writeFd(fd, 'żółć\n')
    closeSync(fd)
  }
  t.equal(readFileSync(`${dir}/log`, 'utf8'), 'old\nżółć\n')
  t.equal(readFileSync(`${dir}/new`, 'utf8'), 'żółć\n')
  t.equal(statSync(`${dir}/new`).mode & 0o777, 0o644 & ~process.umask())
  t.throws(() => openLog(`${dir}/missing/log`), {
    code: 'ENOENT',
    message: `open ${dir}/missing/log: no such file or directory`,
  })
})

t.test('openLog() keeps out of the way of descriptors for the container', async (t) => {
  const fd = openLog(`${t.testdir()}/log`)
  t.ok(fd > 100)
  t.match(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'), /flags:\s+0?2\d{6}/, 'close-on-exec')
  closeSync(fd)
})

t.test('writeFd() writes long texts whole and ignores closed descriptors', async (t) => {
  const path = `${t.testdir()}/out`
  const fd = openSync(path, 'w')
  const long = 'x€'.repeat(70_000)
  writeFd(fd, long)
  t.equal(fstatSync(fd).size, 280_000)
  closeSync(fd)
  t.equal(readFileSync(path, 'utf8'), long)
  t.doesNotThrow(() => writeFd(fd, 'nobody'))
})

t.test('isTerminal() is false for a file', async (t) => {
  const fd = openSync('/dev/null', 'w')
  t.equal(isTerminal(fd), false)
  closeSync(fd)
})

t.test(
  'makeDirectories() makes what is missing, setDirectoryMode() changes the last',
  async (t) => {
    const dir = t.testdir()
    makeDirectories(`${dir}/a/b/c`, 0o700)
    makeDirectories(`${dir}/a/b/c`, 0o700)
    t.equal(statSync(`${dir}/a/b`).mode & 0o7777, 0o700)
    setDirectoryMode(`${dir}/a/b/c`, 0o1700)
    t.equal(statSync(`${dir}/a/b/c`).mode & 0o7777, 0o1700)
    t.throws(() => makeDirectories('/proc/self/nothing/x', 0o700), { message: /^mkdir / })
  },
)

t.test('facts of the process are those Node knows', async (t) => {
  t.equal(effectiveUserId(), process.geteuid?.())
  const map = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/).join(' ')
  t.equal(inUserNamespace(), map !== '0 0 4294967295')
})
