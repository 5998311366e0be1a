import t from 'tap'
import { absolutePath, baseName, cleanPath, parentPath } from './paths.ts'

t.test('cleanPath() resolves dots and slashes as text', async (t) => {
  const expected: Record<string, string> = {
    '': '.',
    '.': '.',
    '/': '/',
    '//': '/',
    '/a/./b//c/': '/a/b/c',
    '/a/../../b': '/b',
    'a/../..': '..',
    '../../a/..': '../..',
    'a/b/..': 'a',
  }
  for (const [path, clean] of Object.entries(expected)) t.equal(cleanPath(path), clean, path)
})

t.test('absolutePath() is relative to the given directory', async (t) => {
  t.equal(absolutePath('x/../y', '/run/a'), '/run/a/y')
  t.equal(absolutePath('../../..', '/run/a'), '/')
  t.equal(absolutePath('/x/', '/run/a'), '/x')
})

t.test('baseName() and parentPath() split at the last component', async (t) => {
  t.equal(baseName('/usr/sbin/runc'), 'runc')
  t.equal(baseName('./tsrun/'), 'tsrun')
  t.equal(parentPath('/a/b/'), '/a')
  t.equal(parentPath('/a'), '/')
  t.equal(parentPath('/'), '/')
  t.equal(parentPath('a'), '.')
})
