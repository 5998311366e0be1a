/** T-15: what is no user number is nobody's number, above all not that of root. */
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

/** Words for --user, and who that is; undefined: an error. */
const WORDS: readonly (readonly [word: string, who: string | undefined])[] = [
  ['1', '1 7'],
  ['1:2', '1 2'],
  ['0', '0 7'],
  ['0:0', '0 0'],
  ['01', '1 7'],
  ['4294967294', '4294967294 7'],
  ['1:', undefined],
  [':5', undefined],
  [':', undefined],
  ['1:2:3', undefined],
  ['0x1', undefined],
  ['1a', undefined],
  ['1:a', undefined],
  ['-1', undefined],
  ['1:-1', undefined],
  ['1.5', undefined],
  ['1e3', undefined],
  ['4294967295', undefined],
  ['4294967296', undefined],
  ['18446744073709551616', undefined],
  ['1:4294967296', undefined],
  [' 1', undefined],
  ['1 ', undefined],
  ['1\n', undefined],
  ['root', undefined],
  ['root:root', undefined],
  ['١', undefined],
]

t.test('T-15 CVE-2026-30892 exec --user takes numbers, whole', { skip }, async (t) => {
  const b = await withBundle(t, {
    configure({ process }) {
      process.user = { uid: 7, gid: 7 }
    },
  })
  t.equal((await b.tsrun('run', '-d', b.id)).code, 0)
  for (const [word, who] of WORDS) {
    const words = [`--user=${word}`, b.id, 'sh', '-c', 'echo $(id -u) $(id -g)']
    const { code, stdout } = await b.tsrun('exec', ...words)
    t.equal(code, who === undefined ? 255 : 0, JSON.stringify(word))
    t.equal(stdout, who === undefined ? '' : `${who}\n`, JSON.stringify(word))
  }
  const { stdout } = await b.tsrun('exec', '--user=', b.id, 'id', '-u')
  t.equal(stdout, '7\n', 'no word: as configured')
})
