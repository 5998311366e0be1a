/** T-16, T-17, T-18: the container's user is what config.json says, not what image or caller say. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('T-16 user numbers are not looked up as names', { skip }, async (t) => {
  const bundle = await withBundle(t, {
    args: ['sh', '-c', 'id -u; id -g; echo $HOME'],
    populate: (rootfs) => writeFileSync(`${rootfs}/etc/passwd`, '1000:x:0:0::/:/bin/sh\n'),
    configure(spec) {
      spec.process.user = { uid: 1000, gid: 1000 }
    },
  })
  t.equal((await bundle.tsrun('run', bundle.id)).stdout, '1000\n1000\n/\n')
})

t.test('T-16 a strange passwd file does not stop a container', { skip }, async (t) => {
  const makers: ((path: string) => void)[] = [
    (path) => execFileSync('mkfifo', [path]),
    (path) => mkdirSync(path),
    (path) => symlinkSync('/dev/zero', path),
    (path) => symlinkSync('/proc/self/exe', path),
    (path) => {
      writeFileSync(path, '')
      truncateSync(path, 2 ** 30)
    },
  ]
  for (const [index, make] of makers.entries()) {
    const bundle = await withBundle(t, {
      args: ['sh', '-c', 'echo $HOME'],
      populate: (rootfs) => make(`${rootfs}/etc/passwd`),
    })
    const { stdout, stderr } = await bundle.shell('exec timeout 20 $TSRUN --root $ROOT run $ID')
    t.equal(stdout, '/\n', `maker ${index}: ${stderr}`)
  }
})

t.test(
  'T-17 groups of the caller stay outside',
  { skip: needsContainers('command setpriv') },
  async (t) => {
    const bundle = await withBundle(t, { args: ['grep', 'Groups', '/proc/self/status'] })
    const run = 'exec setpriv --groups 4,24,27 $TSRUN --root $ROOT run $ID'
    t.match((await bundle.shell(run)).stdout, /^Groups:\s*$/)
    bundle.reconfigure((spec) => {
      spec.process.user = { uid: 5, gid: 6, additionalGids: [100, 200] }
    })
    t.match((await bundle.shell(run)).stdout, /^Groups:\s*100 200\s*$/)
  },
)

t.test(
  'T-18 capabilities of the caller stay outside',
  { skip: needsContainers('command setpriv') },
  async (t) => {
    const bundle = await withBundle(t, {
      args: ['grep', 'Cap', '/proc/self/status'],
      configure(spec) {
        spec.process.capabilities = {}
      },
    })
    const { stdout, stderr } = await bundle.shell(
      'exec setpriv --inh-caps +net_raw --ambient-caps +net_raw $TSRUN --root $ROOT run $ID',
    )
    const sets = stdout.trim().split('\n')
    t.equal(sets.length, 5, stderr)
    for (const line of sets) t.match(line, /\s0{16}$/)
  },
)

t.test('T-24 state is closed to others, whatever the umask', { skip }, async (t) => {
  const bundle = await withBundle(t)
  const { code } = await bundle.shell('umask 0; exec $TSRUN --root $ROOT create $ID')
  t.equal(code, 0)
  const mode = (path: string) => statSync(path).mode & 0o777
  t.equal(mode(bundle.root), 0o700)
  t.equal(mode(`${bundle.root}/${bundle.id}`) & ~0o711, 0)
  t.equal(mode(`${bundle.root}/${bundle.id}/state.json`), 0o600)
  t.equal(mode(`${bundle.root}/${bundle.id}/exec.fifo`) & 0o055, 0)
})
