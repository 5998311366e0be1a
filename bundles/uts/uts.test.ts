import { readFileSync } from 'node:fs'
import t from 'tap'
import { namespaceOf } from '../../src/testing/kernel.ts'
import { needs } from '../../src/testing/needs.ts'
import { openBundle } from '../open-bundle.ts'

const skip = needs('root', 'program')

function hostNames(): string[] {
  return ['hostname', 'domainname'].map((name) =>
    readFileSync(`/proc/sys/kernel/${name}`, 'utf8').trim(),
  )
}

t.test('uts has names of its own and leaves those of the host', { skip }, async (t) => {
  const before = hostNames()
  const { code, stdout, stderr } = await openBundle(t, 'uts').run()
  t.equal(stderr, '')
  t.equal(code, 0)
  t.equal(stdout, 'hostname: tsrun-host\ndomain name: tsrun.example\n')
  t.same(hostNames(), before)
})

t.test('uts shares the network of the host, not the names', { skip }, async (t) => {
  const { pid } = await openBundle(t, 'uts').create()
  t.not(namespaceOf(pid, 'uts'), namespaceOf('self', 'uts'))
  t.equal(namespaceOf(pid, 'net'), namespaceOf('self', 'net'))
})
