import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { writePidFile } from './pid-file.ts'

t.test('writePidFile() writes digits without a newline', async (t) => {
  const dir = t.testdir()
  writePidFile(join(dir, 'pid'), 4194304)
  t.equal(readFileSync(join(dir, 'pid'), 'utf8'), '4194304')
  writePidFile(join(dir, 'pid'), 7)
  t.equal(readFileSync(join(dir, 'pid'), 'utf8'), '7')
  t.same(readdirSync(dir), ['pid'])
})

t.test('writePidFile() replaces a link and leaves its target alone', async (t) => {
  const dir = t.testdir({ target: 'keep' })
  symlinkSync('target', join(dir, 'pid'))
  writePidFile(join(dir, 'pid'), 7)
  t.equal(readFileSync(join(dir, 'target'), 'utf8'), 'keep')
  t.equal(readFileSync(join(dir, 'pid'), 'utf8'), '7')
})

t.test('writePidFile() fails whole', async (t) => {
  const dir = t.testdir({ sub: {} })
  t.throws(() => writePidFile(join(dir, 'missing/pid'), 7), { code: 'ENOENT' })
  t.throws(() => writePidFile(join(dir, 'sub'), 7), { code: 'EISDIR' })
  t.same(readdirSync(dir), ['sub'], 'no temporary file stays')
  writeFileSync(join(dir, '.pid'), '')
  t.throws(() => writePidFile(join(dir, 'pid'), 7), { code: 'EEXIST' })
})
