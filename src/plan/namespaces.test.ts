import t from 'tap'
import type { LinuxNamespace } from '../../spec/generated/config.ts'
import { CLONE } from '../sys/process.ts'
import { hasNamespace, planNamespaces } from './namespaces.ts'
import { minimalSpec } from './testing.ts'

function plan(...namespaces: LinuxNamespace[]) {
  return planNamespaces(minimalSpec({ linux: { namespaces } }))
}

t.test('planNamespaces() makes what has no path', async (t) => {
  const { create, join } = plan({ type: 'pid' }, { type: 'mount', path: '' }, { type: 'uts' })
  t.equal(create, CLONE.NEWPID | CLONE.NEWNS | CLONE.NEWUTS)
  t.same(join, [])
  t.equal(plan().create, 0)
})

t.test('planNamespaces() makes the cgroup namespace later, in the cgroup', async (t) => {
  t.match(plan({ type: 'cgroup' }), { create: 0, createCgroup: true })
  t.match(plan({ type: 'cgroup', path: '/p' }), { createCgroup: false, join: [{ path: '/p' }] })
})

t.test(
  'planNamespaces() joins the user namespace first and the mount namespace last',
  async (t) => {
    const types = ['mount', 'network', 'user', 'pid'] as const
    const { join, create } = plan(...types.map((type) => ({ type, path: `/ns/${type}` })))
    t.equal(create, 0)
    t.same(
      join.map(({ type, pointer }) => [type, pointer]),
      [
        ['user', '/linux/namespaces/2/path'],
        ['network', '/linux/namespaces/1/path'],
        ['pid', '/linux/namespaces/3/path'],
        ['mount', '/linux/namespaces/0/path'],
      ],
    )
  },
)

t.test('planNamespaces() writes time offsets as the kernel takes them', async (t) => {
  const linux = { timeOffsets: { monotonic: { secs: 7881, nanosecs: 5 }, boottime: { secs: -1 } } }
  t.equal(planNamespaces(minimalSpec({ linux })).timeOffsets, 'monotonic 7881 5\nboottime -1 0\n')
  t.equal(plan().timeOffsets, '')
})

t.test('hasNamespace() counts new and joined ones', async (t) => {
  const linux = { namespaces: [{ type: 'pid' as const, path: '/p' }, { type: 'uts' as const }] }
  t.ok(hasNamespace(minimalSpec({ linux }), 'pid'))
  t.ok(hasNamespace(minimalSpec({ linux }), 'uts'))
  t.notOk(hasNamespace(minimalSpec({ linux }), 'mount'))
})
