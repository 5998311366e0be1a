import t from 'tap'
import { SpecError } from '../../base/errors.ts'
import { planUnified } from './unified.ts'

t.test('unified: names that tsrun does not know (M-083), and any text', async (t) => {
  const at = '/linux/resources/unified'
  const entry = { isUnified: true } as const
  t.same(
    planUnified({ unified: { 'new_one.x-Y.z': 'a b\nc', 'cpuset.cpus': '' } }, '/linux/resources'),
    [
      {
        ...entry,
        controller: 'new_one',
        file: 'new_one.x-Y.z',
        value: 'a b\nc',
        pointer: `${at}/new_one.x-Y.z`,
      },
      {
        ...entry,
        controller: 'cpuset',
        file: 'cpuset.cpus',
        value: '',
        pointer: `${at}/cpuset.cpus`,
      },
    ],
  )
})

t.test('unified: only names of files that limit (T-29)', async (t) => {
  const slashes = [
    '../../memory.max',
    '../x/memory.max',
    '/proc/sys/kernel.x',
    'a/b.c',
    '/',
    'a.b/',
  ]
  const shapeless = [
    '',
    '.',
    '..',
    '...',
    'memory',
    '.max',
    'memory.',
    'a..b',
    'a b.c',
    'a.b\n',
    'ä.b',
  ]
  const acting = ['cgroup.procs', 'cgroup.threads', 'cgroup.kill', 'cgroup.freeze']
  for (const [names, what] of [
    [slashes, 'must be a file name (no slashes)'],
    [shapeless, 'must be in the form CONTROLLER.PARAMETER'],
    [acting, 'is not a limit'],
  ] as const) {
    for (const name of names) {
      t.throws(() => planUnified({ unified: { [name]: '1' } }, '/linux/resources'), {
        message: `unified resource ${JSON.stringify(name)} ${what}`,
      })
    }
  }
  t.throws(
    () => planUnified({ unified: { 'a/b.c': '' } }, '/linux/resources'),
    new SpecError(
      'unified resource "a/b.c" must be a file name (no slashes)',
      '/linux/resources/unified/a~1b.c',
    ),
  )
  t.throws(
    () => planUnified({ unified: { 'pids.max': '1\0' } }, '/linux/resources'),
    /contains nul byte/,
  )
})
