import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('spec writes a config.json that runs', { skip }, async (t) => {
  const b = await withBundle(t)
  const config = join(b.dir, 'config.json')
  t.match(await b.tsrun('spec'), {
    code: 1,
    stdout: '',
    stderr: /File config\.json exists\. Remove it first/,
  })
  t.same(await b.shell('rm config.json; umask 027; exec "$TSRUN" spec'), {
    code: 0,
    stdout: '',
    stderr: '',
  })
  t.equal(statSync(config).mode & 0o777, 0o640)
  const text = readFileSync(config, 'utf8')
  const spec = JSON.parse(text) as { process: { terminal: boolean; args: string[] } }
  t.equal(text, JSON.stringify(spec, null, '\t'), 'indented by tabs, no newline at the end')
  t.match(spec, { ociVersion: '1.3.0', hostname: 'runc', root: { path: 'rootfs', readonly: true } })
  spec.process.terminal = false
  spec.process.args = ['hostname']
  writeFileSync(config, JSON.stringify(spec))
  t.same(await b.tsrun('run', b.id), { code: 0, stdout: 'runc\n', stderr: '' })
})

t.test('spec --bundle and --rootless', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.shell('mkdir other')
  t.same(await b.tsrun('spec', '--rootless', '-b', 'other'), { code: 0, stdout: '', stderr: '' })
  const spec: unknown = JSON.parse(readFileSync(join(b.dir, 'other/config.json'), 'utf8'))
  t.match(spec, { linux: { uidMappings: [{ containerID: 0, hostID: 0, size: 1 }] } })
  t.match(await b.tsrun('spec', '-b', 'missing'), { code: 1, stderr: /no such file or directory/ })
  t.match(await b.tsrun('spec', 'more'), { code: 1, stderr: /requires exactly 0 argument/ })
})

t.test('--version and features print nothing else', { skip }, async (t) => {
  const b = await withBundle(t)
  const version = await b.tsrun('--version')
  t.match(version, {
    code: 0,
    stderr: '',
    stdout: /^runc version \d+\.\d+\.\d+\S*\n(.*\n)*spec: 1\.3\.0\n/,
  })
  const features = await b.tsrun('features')
  t.match(features, { code: 0, stderr: '' })
  t.match(JSON.parse(features.stdout), { ociVersionMax: '1.3.0' })
})
