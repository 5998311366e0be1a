/** Intel RDT of containers, against a tree that looks like a resctrl file system. */
import t, { type Test } from 'tap'
import { type TestBundle, type TestSpec, withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'
import { type FakeResctrl, fakeResctrl } from './testing.ts'

const skip = needsContainers()

interface Container {
  readonly b: TestBundle
  readonly tree: FakeResctrl
}

async function container(
  t: Test,
  intelRdt: NonNullable<TestSpec['linux']['intelRdt']>,
): Promise<Container> {
  const tree = fakeResctrl(t)
  const b = await withBundle(t, {
    configure: (spec) => {
      spec.linux.intelRdt = intelRdt
    },
  })
  return { b, tree }
}

t.test('a class of its own, until the container is deleted', { skip }, async (t) => {
  const { b, tree } = await container(t, {
    l3CacheSchema: 'L3:0=ff',
    memBwSchema: 'MB:0=50',
    enableMonitoring: true,
  })
  t.same(await b.tsrun('create', b.id), { code: 0, stdout: '', stderr: '' })
  const { pid } = await b.state()
  t.match(tree.read(`${b.id}/tasks`), `${pid}\n`)
  t.match(tree.read(`${b.id}/mon_groups/${b.id}/tasks`), `${pid}\n`)
  t.match(tree.read(`${b.id}/schemata`), /L3:0=0*ff/)
  t.match(tree.read(`${b.id}/schemata`), /MB:0=50/)
  t.equal((await b.tsrun('update', '--mem-bw-schema', 'MB:0=30', b.id)).code, 0)
  t.match(tree.read(`${b.id}/schemata`), /MB:0=30/)
  const { stdout } = await b.tsrun('events', '--stats', b.id)
  const { intel_rdt: stats } = JSON.parse(stdout).data as { intel_rdt: Record<string, unknown> }
  t.match(stats.mem_bw_schema, /MB:0=\s*30/)
  t.match(stats.l3_cache_info, { cbm_mask: 'fffff', num_closids: 16 })
  t.equal((await b.tsrun('delete', '--force', b.id)).code, 0)
  t.notOk(tree.has(b.id))
})

t.test('a class that is named stays', { skip }, async (t) => {
  const { b, tree } = await container(t, { closID: 'gold', l3CacheSchema: 'L3:0=f' })
  t.equal((await b.tsrun('create', b.id)).code, 0)
  const { pid } = await b.state()
  t.match(tree.read('gold/tasks'), `${pid}\n`)
  await b.tsrun('delete', '--force', b.id)
  t.ok(tree.has('gold'))
})

t.test('what is wrong is said, and nothing is left', { skip }, async (t) => {
  const { b, tree } = await container(t, { closID: 'missing' })
  t.match(await b.tsrun('create', b.id), {
    code: 1,
    stderr: /closID \\"missing\\" does not exist, .*\(config\.json:\d+:\d+\)/,
  })
  b.reconfigure((spec) => {
    spec.linux.intelRdt = { schemata: ['XX:0=1'] }
  })
  t.match(await b.tsrun('create', b.id), { code: 1, stderr: /XX:0=1/ })
  b.reconfigure((spec) => {
    spec.linux.intelRdt = { l3CacheSchema: 'L3:0=f' }
    spec.mounts.push({ destination: '/x', type: 'bind', source: '/no/such', options: ['bind'] })
  })
  t.match(await b.tsrun('create', b.id), { code: 1, stderr: /no such file/ })
  t.notOk(tree.has(b.id))
})

t.test('a host without Intel RDT', { skip }, async (t) => {
  const b = await withBundle(t, {
    configure: (spec) => {
      spec.linux.intelRdt = { l3CacheSchema: 'L3:0=f' }
    },
  })
  const { code, stderr } = await b.tsrun('create', b.id)
  if (code === 0) t.pass('this host has it')
  else t.match(stderr, /intelRdt is specified in config, but Intel RDT is not enabled|not enabled/)
})
