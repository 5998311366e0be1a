import t from 'tap'
import { specTemplate, templateText } from './template.ts'

t.test('specTemplate() writes members in the order of runc', async (t) => {
  const spec = specTemplate({ hasCgroup2Only: false, rootless: undefined })
  t.equal(Object.keys(spec).join(' '), 'ociVersion process root hostname mounts linux')
  t.equal(
    Object.keys(spec.process ?? {}).join(' '),
    'terminal user args env cwd capabilities rlimits noNewPrivileges',
  )
  t.equal(Object.keys(spec.linux ?? {}).join(' '), 'resources namespaces maskedPaths readonlyPaths')
  t.same(
    spec.linux?.namespaces?.map(({ type }) => type),
    ['pid', 'network', 'ipc', 'uts', 'mount'],
  )
})

t.test('specTemplate() adds a cgroup namespace where cgroup v2 is alone', async (t) => {
  const spec = specTemplate({ hasCgroup2Only: true, rootless: undefined })
  t.equal(spec.linux?.namespaces?.at(-1)?.type, 'cgroup')
})

t.test('specTemplate() is changed for an unprivileged caller', async (t) => {
  const spec = specTemplate({ hasCgroup2Only: false, rootless: { uid: 1000, gid: 100 } })
  t.same(spec.linux?.uidMappings, [{ containerID: 0, hostID: 1000, size: 1 }])
  t.same(spec.linux?.gidMappings, [{ containerID: 0, hostID: 100, size: 1 }])
  t.same(
    spec.linux?.namespaces?.map(({ type }) => type),
    ['pid', 'ipc', 'uts', 'mount', 'user'],
  )
  t.equal(spec.linux?.resources, undefined)
  t.same(spec.mounts?.[5], {
    destination: '/sys',
    type: 'none',
    source: '/sys',
    options: ['rbind', 'nosuid', 'noexec', 'nodev', 'ro'],
  })
  t.notMatch(JSON.stringify(spec.mounts), /[ug]id=/)
})

t.test('templateText() indents by tabs and ends without a newline', async (t) => {
  const text = templateText(specTemplate({ hasCgroup2Only: false, rootless: undefined }))
  t.match(text, /^\{\n\t"ociVersion": "1\.3\.0",\n\t"process": \{\n\t\t"terminal": true,/)
  t.ok(text.endsWith('\n}'))
})
