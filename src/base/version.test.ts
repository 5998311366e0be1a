import t from 'tap'
import { versionText } from './version.ts'

t.test('versionText() begins each known line with the prefix clients look for', async (t) => {
  const lines = versionText().split('\n')
  t.match(lines[0], /^runc version \d+\.\d+\.\d+$/)
  t.ok(lines.includes('spec: 1.3.0'))
  t.notMatch(versionText(), /undefined/)
  t.equal(lines.at(-1), '')
})
