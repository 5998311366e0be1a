/** T-16: user numbers are what config.json says, not what the passwd file of the image says. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('T-16 CVE-2016-3697 user numbers are not looked up as names', { skip }, async (t) => {
  const bundle = await withBundle(t, {
    args: ['sh', '-c', 'id -u; id -g; echo $HOME'],
    populate: (rootfs) => writeFileSync(`${rootfs}/etc/passwd`, '1000:x:0:0::/:/bin/sh\n'),
    configure(spec) {
      spec.process.user = { uid: 1000, gid: 1000 }
    },
  })
  t.equal((await bundle.tsrun('run', bundle.id)).stdout, '1000\n1000\n/\n')
  const other = `${bundle.id}-exec`
  bundle.reconfigure((spec) => {
    spec.process.user = { uid: 5, gid: 5 }
    spec.process.args = ['sleep', '1000']
  })
  t.equal((await bundle.tsrun('run', '-d', other)).code, 0)
  t.equal((await bundle.tsrun('exec', '-u', '1000', other, 'id', '-u')).stdout, '1000\n')
})

t.test(
  'T-16 CVE-2016-3697 a strange passwd file does not stop a container',
  { skip },
  async (t) => {
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
      const { stdout, stderr } = await bundle.shell(
        'exec timeout -k 1 20 $TSRUN --root $ROOT run $ID',
      )
      t.equal(stdout, '/\n', `maker ${index}: ${stderr}`)
    }
  },
)
