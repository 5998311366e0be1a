import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type ContainerState, withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('list of no containers', { skip }, async (t) => {
  const b = await withBundle(t)
  t.match(await b.tsrun('list'), { code: 1, stdout: '', stderr: /no such file or directory/ })
  mkdirSync(b.root)
  t.same(await b.tsrun('list'), {
    code: 0,
    stdout: 'ID          PID         STATUS      BUNDLE      CREATED     OWNER\n',
    stderr: '',
  })
  t.same(await b.tsrun('list', '--format', 'json'), { code: 0, stdout: 'null\n', stderr: '' })
  t.same(await b.tsrun('list', '-q'), { code: 0, stdout: '', stderr: '' })
  t.match(await b.tsrun('list', '-f', 'yaml'), {
    code: 1,
    stdout: '',
    stderr: /invalid format option/,
  })
  t.match(await b.tsrun('list', 'more'), { code: 1, stderr: /requires exactly 0 argument/ })
})

t.test('list shows containers sorted by id', { skip }, async (t) => {
  const b = await withBundle(t, {
    configure: (spec) => {
      spec.annotations = { key: 'value' }
    },
  })
  const ids = ['c', 'a', 'b'].map((letter) => `${b.id}-${letter}`)
  for (const id of ids) await b.tsrun('create', id)
  const sorted = [...ids].sort()
  t.equal((await b.tsrun('start', sorted[1] ?? '')).code, 0)
  t.equal((await b.tsrun('list', '--quiet')).stdout, sorted.map((id) => `${id}\n`).join(''))
  t.equal((await b.tsrun('list', '-q', '-f', 'json')).stdout.split('\n').length, 4, 'quiet wins')

  const json = await b.tsrun('list', '-f', 'json')
  t.match(json.stdout, /^\[.*\]\n$/)
  const states = JSON.parse(json.stdout) as ContainerState[]
  t.same(
    states.map(({ id, status }) => [id, status]),
    [
      [sorted[0], 'created'],
      [sorted[1], 'running'],
      [sorted[2], 'created'],
    ],
  )
  const [first] = states
  t.strictSame(first, { ...(await b.state(sorted[0])), owner: 'root' })

  const lines = (await b.tsrun('list')).stdout.split('\n')
  t.equal(lines.length, 5)
  const [header = '', row = ''] = lines
  t.same(header.split(/ +/), ['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'])
  t.same(row.split(/ {3,}/).slice(0, 1), [first?.id])
  t.same(row.split(/ +/), [first?.id, `${first?.pid}`, 'created', b.dir, first?.created, 'root'])
  t.equal(header.indexOf('PID'), (first?.id.length ?? 0) + 3, 'padding of three')
  t.equal(header.indexOf('STATUS'), header.indexOf('PID') + 12, 'at least twelve wide')
})

t.test('list goes on after entries that are no containers', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  writeFileSync(join(b.root, 'a-file'), '')
  mkdirSync(join(b.root, 'bad-state'))
  writeFileSync(join(b.root, 'bad-state', 'state.json'), '{')
  const { code, stdout, stderr } = await b.tsrun('list', '-q')
  t.equal(code, 0)
  t.equal(stdout, `${b.id}\n`)
  t.match(stderr, /load container bad-state: /)
  t.notMatch(stderr, /a-file/)
  t.equal((await b.shell('rm -r "$ROOT/a-file" "$ROOT/bad-state"')).code, 0)
})

t.test('list names the owner of a container', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  t.equal((await b.shell('chown 54321 "$ROOT/$ID"')).code, 0)
  t.match((await b.tsrun('list')).stdout, /#54321\n$/)
  t.match((await b.tsrun('list', '-f', 'json')).stdout, /"owner":"#54321"/)
})

t.test('output that cannot be written is an error', { skip }, async (t) => {
  const b = await withBundle(t)
  for (const args of ['features', '--help', 'spec --help']) {
    t.match(await b.shell(`"$TSRUN" ${args} > /dev/full`), {
      code: 1,
      stderr: /write \/dev\/stdout: no space left on device/,
    })
    t.match(await b.shell(`"$TSRUN" ${args} | true`), { stderr: '' })
  }
})
