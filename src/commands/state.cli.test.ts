import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('state prints one JSON object, its keys in order', { skip }, async (t) => {
  const b = await withBundle(t, {
    configure: (spec) => {
      spec.annotations = { 'org.example.b': 'second', 'org.example.a': 'first "quoted"\n' }
    },
  })
  const before = new Date().toISOString()
  await b.tsrun('create', b.id)
  const { code, stdout, stderr } = await b.tsrun('state', b.id)
  t.equal(code, 0)
  t.equal(stderr, '')
  const state = JSON.parse(stdout) as { pid: number; created: string }
  t.equal(stdout, JSON.stringify(state, null, 2), 'indented by two, no newline at the end')
  t.strictSame(state, {
    ociVersion: '1.3.0',
    id: b.id,
    pid: state.pid,
    status: 'created',
    bundle: b.dir,
    rootfs: b.rootfs,
    created: state.created,
    annotations: { 'org.example.b': 'second', 'org.example.a': 'first "quoted"\n' },
    owner: '',
  })
  t.match(state.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z$/)
  t.ok(state.created.slice(0, 19) >= before.slice(0, 19))
  t.ok(state.created.slice(0, 19) <= new Date().toISOString().slice(0, 19))
})

t.test('state without annotations has no such key', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  t.same(Object.keys(await b.state()), [
    'ociVersion',
    'id',
    'pid',
    'status',
    'bundle',
    'rootfs',
    'created',
    'owner',
  ])
})

t.test('state shows the bundle without links, whatever the caller wrote', { skip }, async (t) => {
  const b = await withBundle(t)
  symlinkSync(b.dir, join(b.dir, 'link'))
  const outcome = await b.tsrunWith({ cwd: '/' }, 'create', '--bundle', join(b.dir, 'link'), b.id)
  t.equal(outcome.code, 0)
  t.match(await b.state(), { bundle: b.dir, rootfs: b.rootfs })
})

t.test('state of a container that is not there', { skip }, async (t) => {
  const b = await withBundle(t)
  t.match(await b.tsrun('state', b.id), {
    code: 1,
    stdout: '',
    stderr: /^time="[^"]+" level=error msg="container does not exist"\n$/,
  })
  t.match(await b.tsrun('state', '../x'), { code: 1, stderr: /invalid container ID format/ })
  t.match(await b.tsrun('state'), { code: 1, stderr: /\\"state\\" requires exactly 1 argument/ })
})

t.test('errors go to --log as JSON, and to stderr as they are', { skip }, async (t) => {
  const b = await withBundle(t)
  const log = join(b.dir, 'log')
  const outcome = await b.tsrun('--log', log, '--log-format', 'json', 'state', b.id)
  t.same(outcome, { code: 1, stdout: '', stderr: 'container does not exist\n' })
  const { stdout } = await b.shell('cat log')
  t.match(JSON.parse(stdout), { level: 'error', msg: 'container does not exist', time: /T/ })
})
