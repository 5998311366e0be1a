import t from 'tap'
import { MOUNT_ATTR, MS } from '../sys/mount.ts'
import {
  attributesOf,
  bindAttributes,
  type MountOptions,
  parseMountOptions,
  superblockOptions,
} from './mount-options.ts'

const NOTHING: MountOptions = parseMountOptions([])

/** Word, `MS` flags set, `MS` flags cleared: runtime-spec config.md "Linux mount options". */
const FLAG_WORDS: readonly (readonly [string, number, number])[] = [
  ['async', 0, 16],
  ['sync', 16, 0],
  ['atime', 0, 1024],
  ['noatime', 1024, 0],
  ['dev', 0, 4],
  ['nodev', 4, 0],
  ['diratime', 0, 2048],
  ['nodiratime', 2048, 0],
  ['dirsync', 128, 0],
  ['exec', 0, 8],
  ['noexec', 8, 0],
  ['iversion', 1 << 23, 0],
  ['noiversion', 0, 1 << 23],
  ['lazytime', 1 << 25, 0],
  ['nolazytime', 0, 1 << 25],
  ['loud', 0, 1 << 15],
  ['silent', 1 << 15, 0],
  ['mand', 64, 0],
  ['nomand', 0, 64],
  ['relatime', 1 << 21, 0],
  ['norelatime', 0, 1 << 21],
  ['strictatime', 1 << 24, 0],
  ['nostrictatime', 0, 1 << 24],
  ['ro', 1, 0],
  ['rw', 0, 1],
  ['suid', 0, 2],
  ['nosuid', 2, 0],
  ['symfollow', 0, 256],
  ['nosymfollow', 256, 0],
]

/** Word, `MOUNT_ATTR` set, cleared, of the whole tree. */
const TREE_WORDS: readonly (readonly [string, number, number])[] = [
  ['rro', 1, 0],
  ['rrw', 0, 1],
  ['rnosuid', 2, 0],
  ['rsuid', 0, 2],
  ['rnodev', 4, 0],
  ['rdev', 0, 4],
  ['rnoexec', 8, 0],
  ['rexec', 0, 8],
  ['rnodiratime', 0x80, 0],
  ['rdiratime', 0, 0x80],
  ['rnosymfollow', 0x200000, 0],
  ['rsymfollow', 0, 0x200000],
  ['ratime', 0, 0x70],
  ['rnoatime', 0x10, 0x70],
  ['rrelatime', 0, 0x70],
  ['rnorelatime', 0, 0x70],
  ['rstrictatime', 0x20, 0x70],
  ['rnostrictatime', 0, 0x70],
]

t.test('parseMountOptions() knows each flag', async (t) => {
  for (const [word, set, clear] of FLAG_WORDS) {
    t.same(parseMountOptions([word]), { ...NOTHING, set, clear }, word)
  }
})

t.test('parseMountOptions() knows each recursive word', async (t) => {
  for (const [word, recursiveSet, recursiveClear] of TREE_WORDS) {
    t.same(parseMountOptions([word]), { ...NOTHING, recursiveSet, recursiveClear }, word)
  }
})

t.test('parseMountOptions() keeps the order of propagation words', async (t) => {
  const { propagation } = parseMountOptions(['rslave', 'ro', 'shared', 'runbindable', 'private'])
  t.same(propagation, [MS.SLAVE | MS.REC, MS.SHARED, MS.UNBINDABLE | MS.REC, MS.PRIVATE])
  const rest = parseMountOptions(['slave', 'rshared', 'unbindable', 'rprivate']).propagation
  t.same(rest, [MS.SLAVE, MS.SHARED | MS.REC, MS.UNBINDABLE, MS.PRIVATE | MS.REC])
})

t.test('parseMountOptions() of a pair takes the later word', async (t) => {
  for (const [yes, no] of [
    ['ro', 'rw'],
    ['nosuid', 'suid'],
    ['noexec', 'exec'],
    ['sync', 'async'],
    ['silent', 'loud'],
  ] as const) {
    t.same(parseMountOptions([yes, no]), parseMountOptions([no]), `${yes},${no}`)
    t.same(parseMountOptions([no, yes]), parseMountOptions([yes]), `${no},${yes}`)
  }
  t.same(parseMountOptions(['rro', 'rrw']), parseMountOptions(['rrw']))
  t.same(parseMountOptions(['rstrictatime', 'rnoatime']), parseMountOptions(['rnoatime']))
  t.match(parseMountOptions(['rnoatime', 'rro']), { recursiveSet: 0x11, recursiveClear: 0x70 })
})

t.test('parseMountOptions() knows what is no flag', async (t) => {
  t.same(parseMountOptions(['bind']), { ...NOTHING, bind: true })
  t.same(parseMountOptions(['rbind']), { ...NOTHING, bind: true, recursive: true })
  t.same(parseMountOptions(['remount']), { ...NOTHING, remount: true })
  t.same(parseMountOptions(['tmpcopyup']), { ...NOTHING, copyUp: true })
  t.same(parseMountOptions(['idmap']), { ...NOTHING, idmap: 'idmap' })
  t.same(parseMountOptions(['ridmap']), { ...NOTHING, idmap: 'ridmap' })
  t.same(parseMountOptions(['defaults']), NOTHING)
  t.same(parseMountOptions(undefined), NOTHING)
})

t.test('parseMountOptions() leaves other words to the file system', async (t) => {
  t.same(parseMountOptions(['mode=755', 'ro', 'size=64k']).data, ['mode=755', 'size=64k'])
  t.same(parseMountOptions(['constructor', '__proto__', 'toString']).data.length, 3)
})

t.test('parseMountOptions() splits at commas', async (t) => {
  t.same(parseMountOptions(['nosuid,mode=755,ro']), parseMountOptions(['nosuid', 'mode=755', 'ro']))
  t.same(parseMountOptions(['lowerdir=/a\\,b,x']).data, ['lowerdir=/a\\,b', 'x'])
  t.same(parseMountOptions(['context="u:r:t:s0:c1,c2",ro']), {
    ...NOTHING,
    set: MS.RDONLY,
    data: ['context="u:r:t:s0:c1,c2"'],
  })
})

t.test('attributesOf() translates flags, strictatime before noatime', async (t) => {
  t.equal(attributesOf(0), 0)
  t.equal(attributesOf(MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC), 0xf)
  t.equal(attributesOf(MS.NODIRATIME | MS.NOSYMFOLLOW), 0x200080)
  t.equal(attributesOf(MS.NOATIME), MOUNT_ATTR.NOATIME)
  t.equal(attributesOf(MS.STRICTATIME | MS.NOATIME), MOUNT_ATTR.STRICTATIME)
  t.equal(attributesOf(MS.RELATIME | MS.SYNCHRONOUS | MS.SILENT), 0)
})

t.test('bindAttributes() changes nothing without words', async (t) => {
  t.equal(bindAttributes(parseMountOptions(['rbind', 'rslave', 'rro'])), undefined)
})

const OTHERS = MOUNT_ATTR.NOSYMFOLLOW

t.test('bindAttributes() clears what is not asked for', async (t) => {
  const of = (...words: string[]) => bindAttributes(parseMountOptions(['bind', ...words]))
  t.same(of('ro'), { set: 1, clear: OTHERS | 2 | 4 | 8 })
  t.same(of('dev'), { set: 0, clear: OTHERS | 1 | 2 | 4 | 8 })
  t.same(of('nosuid', 'nodev'), { set: 6, clear: OTHERS | 1 | 8 })
})

t.test('bindAttributes() keeps access times unless a mode is set', async (t) => {
  const of = (...words: string[]) => bindAttributes(parseMountOptions(['bind', ...words]))
  const rest = OTHERS | 1 | 2 | 4 | 8
  t.same(of('atime'), { set: 0, clear: rest })
  t.same(of('norelatime'), { set: 0, clear: rest })
  t.same(of('relatime'), { set: 0, clear: rest | 0xf0 })
  t.same(of('noatime'), { set: 0x10, clear: rest | 0xf0 })
  t.same(of('strictatime'), { set: 0x20, clear: rest | 0xf0 })
  // as in mount(2), it goes with relatime
  t.same(of('nodiratime'), { set: 0x80, clear: rest | 0x70 })
})

t.test('bindAttributes() with remount adds to what is there', async (t) => {
  const of = (...words: string[]) =>
    bindAttributes(parseMountOptions(['bind', 'remount', ...words]))
  t.same(of('ro'), { set: 1, clear: 0 })
  t.same(of('ro', 'dev', 'exec'), { set: 1, clear: 4 | 8 })
})

t.test('superblockOptions() gives the words for fsconfig(2)', async (t) => {
  const words = ['sync', 'dirsync', 'mand', 'lazytime', 'ro', 'silent', 'iversion', 'noexec']
  t.same(superblockOptions(parseMountOptions(words)), ['sync', 'dirsync', 'mand', 'lazytime'])
  t.same(superblockOptions(NOTHING), [])
})
