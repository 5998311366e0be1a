import t from 'tap'
import { type RootFacts, resolveRoot } from './root.ts'

function root(facts: Partial<RootFacts>) {
  return resolveRoot({
    option: undefined,
    cwd: () => '/work/here',
    effectiveUserId: () => 0,
    inUserNamespace: () => false,
    environment: {},
    ...facts,
  })
}

t.test('resolveRoot() makes --root absolute and clean', async (t) => {
  t.same(root({ option: 'a/../b/' }), { path: '/work/here/b', source: 'option' })
  t.same(root({ option: '/run//x/.' }), { path: '/run/x', source: 'option' })
})

t.test('resolveRoot() refuses the root directory', async (t) => {
  const message = 'Option --root argument should not be set to /'
  for (const option of ['', '/', '../..', '../../..', '/run/..']) {
    t.throws(() => root({ option }), { message }, option)
  }
  t.throws(() => root({ option: '.', cwd: () => '/' }), { message })
})

t.test('resolveRoot() picks the default by user, namespace and environment', async (t) => {
  const xdg = { XDG_RUNTIME_DIR: '/run/user/7' }
  const builtIn = { path: '/run/runc', source: 'default' }
  const inXdg = { path: '/run/user/7/runc', source: 'xdg' }
  const inUserns = { inUserNamespace: () => true }
  t.same(root({ environment: xdg }), builtIn, 'root')
  t.same(root({ effectiveUserId: () => 7, environment: xdg }), inXdg, 'user')
  t.same(root({ effectiveUserId: () => 7 }), builtIn, 'user without a runtime directory')
  t.same(root({ ...inUserns, environment: { ...xdg, USER: 'me' } }), inXdg, 'userns root')
  t.same(root({ ...inUserns, environment: xdg }), inXdg, 'userns root, USER unset')
  t.same(root({ ...inUserns, environment: { ...xdg, USER: 'root' } }), builtIn, 'USER=root')
  t.same(root({ ...inUserns, environment: { XDG_RUNTIME_DIR: '' } }), builtIn, 'empty')
})
