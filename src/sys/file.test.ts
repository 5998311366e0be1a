import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isErrno } from './check.ts'
import { E } from './errno.ts'
import { duplicate } from './fd.ts'
import {
  AT,
  fstat,
  mkdir,
  O,
  open,
  openat2,
  RESOLVE,
  readDirectory,
  readFile,
  readlink,
  rename,
  S_IF,
  stat,
  statIfAny,
  symlink,
  unlink,
  writeAll,
  writeFile,
} from './file.ts'

t.test('open() owns its descriptor, and closes it when disposed', async (t) => {
  const dir = t.testdir({ file: 'text' })
  const fd = open(undefined, join(dir, 'file'), O.RDONLY)
  const { number } = fd
  t.ok(existsSync(`/proc/self/fd/${number}`))
  fd.close()
  fd.close()
  t.notOk(existsSync(`/proc/self/fd/${number}`))
  t.equal(fd.number, -1)
  t.throws(() => open(undefined, join(dir, 'missing'), O.RDONLY), {
    syscall: 'open',
    code: 'ENOENT',
    errno: E.NOENT,
  })
  t.throws(() => open(undefined, 'a\0b', O.RDONLY), /nul byte/)
})

t.test('duplicate() takes the lowest number that is allowed', async (t) => {
  const fd = open(undefined, '/', O.PATH)
  const copy = duplicate(fd, 500)
  t.ok(copy.number >= 500)
  copy.close()
  fd.close()
})

t.test('readFile() and writeAll() take texts of any length and alphabet', async (t) => {
  const dir = t.testdir()
  const path = join(dir, 'file')
  for (const text of ['', 'short é ✓ 😀', 'x'.repeat(65_536), 'é✓😀'.repeat(50_000)]) {
    const fd = open(undefined, path, O.WRONLY | O.CREAT | O.TRUNC, 0o600)
    writeAll(fd, text)
    fd.close()
    t.ok(readFileSync(path, 'utf8') === text, `${text.length} written`)
    t.ok(readFile(undefined, path) === text, `${text.length} read`)
  }
})

t.test('readFile() refuses more than was asked for', async (t) => {
  const dir = t.testdir({ file: 'x'.repeat(100) })
  t.equal(readFile(undefined, join(dir, 'file'), 100).length, 100)
  t.throws(() => readFile(undefined, join(dir, 'file'), 99), { code: 'EFBIG' })
  t.throws(() => readFile(undefined, '/dev/zero', 1 << 20), { code: 'EFBIG' })
  t.throws(() => readFile(undefined, dir), { code: 'EISDIR' })
})

t.test('writeFile() needs the file to be there', async (t) => {
  const dir = t.testdir({ file: '12345' })
  writeFile(undefined, join(dir, 'file'), 'ab')
  t.equal(readFileSync(join(dir, 'file'), 'utf8'), 'ab345')
  t.throws(() => writeFile(undefined, join(dir, 'other'), 'x'), { code: 'ENOENT' })
})

t.test('stat() sees what node sees', async (t) => {
  const dir = t.testdir({ file: 'text', link: t.fixture('symlink', 'file') })
  const path = join(dir, 'file')
  const expected = statSync(path)
  const found = stat(undefined, path)
  t.equal(found.mode, expected.mode)
  t.equal(found.uid, expected.uid)
  t.equal(stat(undefined, join(dir, 'link')).mode & S_IF.MT, S_IF.REG, 'follows')
  t.equal(stat(undefined, join(dir, 'link'), false).mode & S_IF.MT, S_IF.LNK)
  t.equal(statIfAny(undefined, join(dir, 'missing')), undefined)
  const fd = open(undefined, dir, O.PATH)
  t.equal(fstat(fd).mode & S_IF.MT, S_IF.DIR)
  fd.close()
})

t.test('readDirectory() gives every name of a large directory', async (t) => {
  const dir = t.testdir()
  const names = Array.from({ length: 3000 }, (_, i) => `${'n'.repeat(i % 60)}é${i}`)
  for (const name of names) writeFileSync(join(dir, name), '')
  const fd = open(undefined, dir, O.RDONLY | O.DIRECTORY)
  t.same(readDirectory(fd).sort(), names.sort())
  fd.close()
})

t.test('directories, links and names relative to a descriptor', async (t) => {
  const dir = t.testdir()
  const fd = open(undefined, dir, O.PATH | O.DIRECTORY)
  mkdir(fd, 'd', 0o700)
  symlink('target', fd, 'l')
  t.equal(readlink(fd, 'l'), 'target')
  rename(fd, 'l', 'd/l')
  t.equal(readlink(fd, 'd/l'), 'target')
  t.throws(() => unlink(fd, 'd', AT.REMOVEDIR), { code: 'ENOTEMPTY' })
  unlink(fd, 'd/l')
  unlink(fd, 'd', AT.REMOVEDIR)
  t.notOk(statIfAny(fd, 'd'))
  fd.close()
})

t.test('openat2() stays inside of a root', async (t) => {
  const dir = t.testdir({ root: { etc: { f: 'inside' } }, etc: { f: 'outside' } })
  symlinkSync('/etc/f', join(dir, 'root/absolute'))
  symlinkSync('../../etc/f', join(dir, 'root/up'))
  mkdirSync(join(dir, 'root/d'))
  const root = open(undefined, join(dir, 'root'), O.PATH | O.DIRECTORY)
  for (const name of ['absolute', 'up', '../etc/f', 'd/../../etc/f']) {
    const number = openat2(root, name, O.RDONLY, RESOLVE.IN_ROOT)
    t.ok(number >= 0, name)
    t.equal(readFileSync(number, 'utf8'), 'inside')
  }
  t.equal(openat2(root, 'missing', O.RDONLY, RESOLVE.IN_ROOT), -E.NOENT)
  root.close()
})

t.test('isErrno() tells one failure from another', async (t) => {
  try {
    readFile(undefined, '/no/such/file')
  } catch (error) {
    t.ok(isErrno(error, E.PERM, E.NOENT))
    t.notOk(isErrno(error, E.PERM))
  }
  t.notOk(isErrno(new Error('ENOENT'), E.NOENT))
})
