import { existsSync } from 'node:fs'
import t from 'tap'
import { parseProcCgroup, probeCgroups } from './probe.ts'

t.test('parseProcCgroup() splits at the first two colons', async (t) => {
  t.same(parseProcCgroup('9:name=systemd:/a:b\n4:cpu,cpuacct:/x y\n0::/\n'), [
    { controllers: 'name=systemd', path: '/a:b' },
    { controllers: 'cpu,cpuacct', path: '/x y' },
    { controllers: '', path: '/' },
  ])
  t.same(parseProcCgroup(''), [])
})

t.test('probeCgroups() finds the hierarchies of this host', async (t) => {
  const { mode, hierarchies } = probeCgroups()
  const isV2 = existsSync('/sys/fs/cgroup/cgroup.controllers')
  t.equal(mode === 'v2', isV2)
  for (const { mountPoint, own } of hierarchies) {
    t.ok(existsSync(mountPoint), mountPoint)
    t.match(own, /^\//)
  }
  const unified = hierarchies.filter(({ controllers }) => controllers === '')
  t.equal(unified.length, mode === 'v1' ? 0 : 1)
})
