import t from 'tap'
import { mountsOf, namespaceOf } from '../../src/testing/kernel.ts'
import { needs } from '../../src/testing/needs.ts'
import { openBundle } from '../open-bundle.ts'

const skip = needs('root', 'program')

t.test(
  'hello greets, and sees a host name, process id and user id of its own',
  { skip },
  async (t) => {
    const { code, stdout, stderr } = await openBundle(t, 'hello').run()
    t.equal(stderr, '')
    t.equal(code, 0)
    t.same(stdout.split('\n'), [
      'Hello from a container made by tsrun.',
      'hostname: hello',
      'process id: 1',
      'user id: 0',
      '',
    ])
  },
)

t.test('hello has namespaces of its own and a read-only /usr of the host', { skip }, async (t) => {
  const { pid } = await openBundle(t, 'hello').create()
  for (const kind of ['pid', 'net', 'ipc', 'uts', 'mnt']) {
    t.not(namespaceOf(pid, kind), namespaceOf('self', kind), `${kind} namespace`)
  }
  const mounts = mountsOf(pid)
  for (const target of ['/', '/usr']) {
    t.ok(mounts.find((mount) => mount.target === target)?.options.includes('ro'), `${target} is ro`)
  }
})
