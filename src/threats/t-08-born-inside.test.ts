/** T-08: a container that may trace everybody finds nothing of the host in who joins it. */
import { statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { programPath } from '../testing/cli.ts'
import { cgroupsNamed, eventually } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

/** Prints, at last, device and inode of all that descriptors and directories of processes lead to. */
const LOOK = `
  touch /tmp/ready
  while [ ! -e /tmp/stop ]; do
    stat -L -c %d:%i /proc/[0-9]*/fd/* /proc/[0-9]*/cwd /proc/[0-9]*/root
  done 2>/dev/null | awk '!seen[$0]++'`

function identity(path: string): string {
  const { dev, ino } = statSync(path)
  return `${dev}:${ino}`
}

t.test('T-08 CVE-2016-9962, CVE-2016-8649 a looker in the container', { skip }, async (t) => {
  const all = ['CAP_SYS_PTRACE', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH', 'CAP_SETUID']
  const b = await withBundle(t, {
    args: ['sh', '-c', LOOK],
    configure(spec) {
      spec.root.readonly = false
      spec.process.capabilities = { bounding: all, effective: all, permitted: all }
    },
  })
  const looker = b.launch('run', b.id)
  await eventually('it looks', () => statSync(`${b.rootfs}/tmp/ready`, { throwIfNoEntry: false }))
  const host = [
    '/',
    '/proc',
    '/sys/fs/cgroup',
    dirname(programPath()),
    b.dir,
    b.root,
    `${b.root}/${b.id}`,
    ...cgroupsNamed(b.id),
  ].map(identity)
  const inside = identity(`${b.rootfs}/etc`)
  const until = performance.now() + 10_000
  while (performance.now() < until) {
    await b.tsrun('exec', '--cwd', '/etc', b.id, 'sleep', '0.01')
    await b.tsrun('exec', '-u', '1000', b.id, 'true')
  }
  writeFileSync(`${b.rootfs}/tmp/stop`, '')
  const { stdout } = await looker.ended
  const seen = new Set(stdout.split('\n'))
  t.ok(seen.has(inside), 'it has seen one')
  t.same(
    host.filter((one) => seen.has(one)),
    [],
  )
})
