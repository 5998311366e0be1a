import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { ContainerReason } from '../base/errors.ts'
import type { State } from './state.ts'
import { checkId, isId, listIds, Store } from './store.ts'

/** What a thrown ContainerError must match. */
function reason(name: ContainerReason): { name: string; reason: ContainerReason } {
  return { name: 'ContainerError', reason: name }
}

function stateOf(id: string): State {
  return {
    version: 1,
    id,
    pid: 1,
    startTime: 2,
    created: '2030-01-01T00:00:00.000000000Z',
    bundle: '/b',
    rootfs: '/b/rootfs',
    annotations: { 'é"\n': '\u2028' },
    cgroup: { mode: 'v2', driver: 'cgroupfs', paths: [] },
    sharesPids: false,
  }
}

t.test('checkId() takes file names of a small alphabet', async (t) => {
  for (const id of ['a', 'A_b+c-d.e', '..a', '-', 'a'.repeat(255)]) {
    t.doesNotThrow(() => checkId(id), id)
    t.ok(isId(id))
  }
  for (const id of ['.', '..', '../a', 'a/b', 'a b', 'a\n', '\na', 'é', 'a\0', 'a'.repeat(256)]) {
    t.throws(() => checkId(id), { reason: 'invalid-id', message: 'invalid container ID format' })
  }
  t.throws(() => checkId(''), { message: 'container id cannot be empty' })
})

t.test('Store gives back what was written', async (t) => {
  const root = join(t.testdir(), 'deep/root')
  const store = Store.reserve(root, 'c')
  t.throws(() => store.read(), reason('not-found'), 'nothing yet')
  store.write(stateOf('c'))
  store.keepConfig('{"a":1}')
  t.strictSame(store.read(), stateOf('c'))
  t.equal(store.readConfig(), '{"a":1}')
  t.equal(statSync(join(root, 'c/state.json')).mode & 0o777, 0o600)
  t.same(readdirSync(join(root, 'c')).sort(), ['config.json', 'state.json'], 'no temporary file')
  t.throws(() => Store.reserve(root, 'c'), reason('exists'))
  t.same(listIds(root), ['c'])
  store.remove(root)
  store.dir.close()
  t.same(readdirSync(root), [])
  t.throws(() => Store.open(root, 'c'), reason('not-found'))
  t.throws(() => Store.lock(root, 'c'), reason('not-found'))
})

t.test('Store.read() refuses what is no state', async (t) => {
  const root = t.testdir({ c: {} })
  const store = Store.open(root, 'c')
  const { version, ...rest } = stateOf('c')
  t.equal(version, 1)
  for (const text of ['', '{', 'null', '[]', JSON.stringify(rest), JSON.stringify(stateOf('d'))]) {
    writeFileSync(join(root, 'c/state.json'), text)
    t.throws(() => store.read(), {
      reason: 'corrupt',
      message: /^state of container c is corrupt: /,
    })
  }
  store.dir.close()
})

t.test('Store.open() takes neither a link nor a file for a container', async (t) => {
  const root = t.testdir({ file: '' })
  mkdirSync(join(root, 'real'))
  symlinkSync('real', join(root, 'link'))
  for (const id of ['file', 'link']) {
    t.throws(() => Store.open(root, id), reason('not-found'))
    t.throws(() => Store.reserve(root, id), reason('exists'))
  }
})

t.test('Store.remove() removes whatever is inside, but follows no link', async (t) => {
  const dir = t.testdir({ root: { c: { deep: { er: { file: '' } } } }, outside: { keep: '' } })
  symlinkSync('../../outside', join(dir, 'root/c/link'))
  const store = Store.lock(join(dir, 'root'), 'c')
  store.remove(join(dir, 'root'))
  store.dir.close()
  t.same(readdirSync(join(dir, 'root')), [])
  t.same(readdirSync(join(dir, 'outside')), ['keep'])
})

t.test('the fifo is there from makeFifo() to removeFifo()', async (t) => {
  const root = t.testdir()
  const store = Store.reserve(root, 'c')
  t.notOk(store.hasFifo)
  const fifo = store.makeFifo()
  t.ok(store.hasFifo)
  store.removeFifo()
  t.notOk(store.hasFifo)
  t.throws(() => store.removeFifo(), { code: 'ENOENT' }, 'only once')
  fifo.close()
  store.dir.close()
})

t.test('listIds() is sorted; undefined without a directory', async (t) => {
  const root = t.testdir({ b: {}, a: {}, 'no id': {}, C: {} })
  t.same(listIds(root), ['C', 'a', 'b'])
  t.equal(listIds(join(root, 'missing')), undefined)
})
