import t from 'tap'
import type { Spec } from '../../spec/generated/config.ts'
import { hookStateText, planHooks } from './hooks.ts'

const BASE: Spec = { ociVersion: '1.2.0' }

t.test('planHooks() keeps the order, and says where each hook stands', (t) => {
  const hooks = planHooks({
    ...BASE,
    hooks: { poststop: [{ path: '/a' }, { path: '/b', args: ['c', ''], env: ['D=e'] }] },
  })
  t.same(hooks.prestart, [])
  t.same(hooks.poststop, [
    {
      kind: 'poststop',
      index: 0,
      pointer: '/hooks/poststop/0',
      path: '/a',
      args: ['/a'],
      env: undefined,
      timeoutMs: undefined,
    },
    {
      kind: 'poststop',
      index: 1,
      pointer: '/hooks/poststop/1',
      path: '/b',
      args: ['c', ''],
      env: ['D=e'],
      timeoutMs: undefined,
    },
  ])
  t.end()
})

t.test('planHooks() takes empty arguments for none, and seconds', (t) => {
  const { startContainer } = planHooks({
    ...BASE,
    hooks: { startContainer: [{ path: '/a', args: [], timeout: 2 }] },
  })
  t.match(startContainer, [{ args: ['/a'], timeoutMs: 2000 }])
  t.end()
})

t.test('hookStateText() leaves out what there is not', (t) => {
  const state = { id: 'x', bundle: '/b', annotations: {} }
  t.same(JSON.parse(hookStateText('1.2.0', { ...state, status: 'stopped', pid: 0 })), {
    ociVersion: '1.2.0',
    id: 'x',
    status: 'stopped',
    bundle: '/b',
  })
  const more = { status: 'creating', pid: 7, annotations: { k: 'v' } } as const
  t.match(JSON.parse(hookStateText('1.2.0', { ...state, ...more })), more)
  t.end()
})
