import {
  chmodSync,
  chownSync,
  lchownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import t from 'tap'
import { needs } from '../testing/needs.ts'
import { type CacheKey, MOST_BYTES, MOST_ENTRIES, readCached, writeCached } from './cache.ts'

const KEY: CacheKey = { text: 'what it is made from, and é', library: 'libseccomp.so.2.5.4 1' }
const PROGRAM = Uint8Array.from({ length: 80 }, (_, i) => (i * 7) & 0xff)

/** A state root with one entry; its directory, and its only file. */
function cacheIn(t: { testdir(): string }): { root: string; dir: string; file: string } {
  const root = t.testdir()
  writeCached(root, KEY, PROGRAM)
  const dir = join(root, '@seccomp')
  return { root, dir, file: join(dir, readdirSync(dir)[0] ?? '') }
}

t.test('what is written is read; nothing else', (t) => {
  const root = t.testdir()
  t.equal(readCached(root, KEY), undefined, 'nothing there')
  writeCached(root, KEY, PROGRAM)
  t.same(readCached(root, KEY), PROGRAM)
  t.equal(readCached(root, { ...KEY, text: `${KEY.text}.` }), undefined, 'another plan')
  t.equal(readCached(root, { ...KEY, library: 'another' }), undefined, 'another library')
  t.same(readCached(root, { ...KEY, library: undefined }), PROGRAM, 'no library any more')
  writeCached(root, { ...KEY, library: 'another' }, PROGRAM.slice(8))
  t.same(readCached(root, { ...KEY, library: 'another' }), PROGRAM.slice(8))
  const files = readdirSync(join(root, '@seccomp'))
  t.equal(files.length, 1, 'in the place of the other one; no temporary file')
  t.end()
})

t.test('for nobody else to read or write, whatever the umask', (t) => {
  for (const umask of [0, 0o777]) {
    const before = process.umask(umask)
    t.teardown(() => process.umask(before))
    const { root, dir, file } = cacheIn(t)
    process.umask(before)
    t.equal(statSync(dir).mode & 0o7777, 0o700)
    t.equal(statSync(file).mode & 0o7777, 0o600)
    rmSync(root, { recursive: true })
  }
  t.end()
})

t.test('a file that is not as it was written is not used, but replaced', (t) => {
  const damage: Record<string, (file: string) => void> = {
    'another byte': (file) => {
      for (let i = 0; i < statSync(file).size; i++) {
        const bytes = readFileSync(file)
        bytes[i] = (bytes[i] ?? 0) ^ 1
        writeFileSync(file, bytes)
        if (readCached(dirname(dirname(file)), KEY) !== undefined) throw new Error(`byte ${i}`)
        bytes[i] = (bytes[i] ?? 0) ^ 1
        writeFileSync(file, bytes)
      }
      truncateSync(file, 0)
    },
    shorter: (file) => truncateSync(file, statSync(file).size - 8),
    'the header only': (file) => truncateSync(file, 24),
    'less than a header': (file) => truncateSync(file, 5),
    empty: (file) => truncateSync(file, 0),
    longer: (file) => writeFileSync(file, Buffer.alloc(8), { flag: 'a' }),
    huge: (file) => truncateSync(file, 1 << 30),
    'of another plan': (file) => {
      const dir = dirname(file)
      writeCached(dirname(dir), { ...KEY, text: KEY.text.replace('what', 'that') }, PROGRAM)
      const [other = ''] = readdirSync(dir).filter((name) => name !== basename(file))
      renameSync(join(dir, other), file)
    },
  }
  for (const [what, spoil] of Object.entries(damage)) {
    const { root, file } = cacheIn(t)
    const good = readFileSync(file)
    spoil(file)
    t.equal(readCached(root, KEY), undefined, what)
    writeCached(root, KEY, PROGRAM)
    t.same(readFileSync(file), good, `${what}: replaced`)
    t.same(readCached(root, KEY), PROGRAM)
    rmSync(root, { recursive: true })
  }
  t.end()
})

t.test('a file that another could have written is not used', (t) => {
  const shapes: Record<string, (file: string) => void> = {
    'writable by the group': (file) => chmodSync(file, 0o620),
    'readable by all': (file) => chmodSync(file, 0o604),
    'a symbolic link': (file) => {
      renameSync(file, `${file}.moved`)
      symlinkSync(`${file}.moved`, file)
    },
    'with two names': (file) => linkSync(file, `${file}.other`),
    'a directory': (file) => {
      rmSync(file)
      mkdirSync(file)
    },
  }
  for (const [what, shape] of Object.entries(shapes)) {
    const { root, file } = cacheIn(t)
    shape(file)
    t.equal(readCached(root, KEY), undefined, what)
    if (what !== 'a directory') {
      writeCached(root, KEY, PROGRAM)
      t.same(readCached(root, KEY), PROGRAM, `${what}: replaced`)
    }
    rmSync(root, { recursive: true })
  }
  t.end()
})

t.test('nor is a directory of another, or open to others', (t) => {
  const shapes: Record<string, (dir: string) => void> = {
    'open to the group': (dir) => chmodSync(dir, 0o770),
    'open to all': (dir) => chmodSync(dir, 0o701),
    'a symbolic link': (dir) => {
      renameSync(dir, `${dir}.moved`)
      symlinkSync(`${dir}.moved`, dir)
    },
    'a file': (dir) => {
      rmSync(dir, { recursive: true })
      writeFileSync(dir, '')
    },
  }
  for (const [what, shape] of Object.entries(shapes)) {
    const { root, dir } = cacheIn(t)
    shape(dir)
    t.equal(readCached(root, KEY), undefined, what)
    writeCached(root, KEY, PROGRAM)
    t.equal(readCached(root, KEY), undefined, `${what}: still not`)
    rmSync(root, { recursive: true })
  }
  t.end()
})

t.test('an owner that is neither root nor this user', { skip: needs('root') }, (t) => {
  const { root, dir, file } = cacheIn(t)
  chownSync(file, 1000, 0)
  t.equal(readCached(root, KEY), undefined, 'of the file')
  lchownSync(file, 0, 1000)
  t.same(readCached(root, KEY), PROGRAM, 'the group may do nothing')
  chownSync(dir, 1000, 0)
  t.equal(readCached(root, KEY), undefined, 'of the directory')
  t.end()
})

t.test('no more entries, and no more bytes, than there may be', (t) => {
  const { root, dir } = cacheIn(t)
  for (let i = 0; i < 2 * MOST_ENTRIES; i++) {
    writeCached(root, { ...KEY, text: `plan ${i}` }, PROGRAM)
    t.same(readCached(root, { ...KEY, text: `plan ${i}` }), PROGRAM)
  }
  t.equal(readdirSync(dir).length, MOST_ENTRIES)
  const large = new Uint8Array(4096 * 8)
  const text = 'x'.repeat(100_000)
  for (let i = 0; i < MOST_ENTRIES; i++) writeCached(root, { ...KEY, text: `${text}${i}` }, large)
  const bytes = readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0)
  t.ok(bytes <= MOST_BYTES && bytes > MOST_BYTES / 2, `${bytes}`)
  const before = readdirSync(dir)
  writeCached(root, { ...KEY, text: 'x'.repeat(1 << 20) }, large)
  t.same(readdirSync(dir), before, 'one that is too large is not kept at all')
  t.end()
})

t.test('what a killed process has left is in no way', (t) => {
  const { root, dir, file } = cacheIn(t)
  const left = `${file}.${process.pid}`
  writeFileSync(left, 'half')
  writeCached(root, KEY, PROGRAM.slice(16))
  t.same(readCached(root, KEY), PROGRAM.slice(16))
  t.equal(readdirSync(dir).length, 1)
  t.end()
})
