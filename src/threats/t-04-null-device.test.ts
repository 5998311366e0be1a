/** T-04: masks do not depend on the null device of the image. */
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { makeDecoy, withoutMounts } from '../rootfs/testing.ts'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'
import { exchanging, whileRacing } from '../testing/racing.ts'

const skip = needsContainers()

t.test(
  'T-04 CVE-2025-31133, CVE-2025-62161 masks do not come from a /dev/null of the image',
  { skip },
  async (t) => {
    const decoy = makeDecoy(t.testdir())
    const makers: ((path: string) => void)[] = [
      (path) => symlinkSync('/etc/target', path),
      (path) => symlinkSync('/proc/sys/kernel/ostype', path),
      (path) => symlinkSync(`${decoy.dir}/marker`, path),
      (path) => writeFileSync(path, 'SECRET'),
      (path) => execFileSync('mkfifo', [path]),
      (path) => execFileSync('mknod', [path, 'c', '1', '5']),
    ]
    for (const [index, make] of makers.entries()) {
      const bundle = await withBundle(t, {
        args: ['cat', '/proc/version'],
        populate(rootfs) {
          writeFileSync(`${rootfs}/etc/target`, 'SECRET')
          make(`${rootfs}/dev/null`)
        },
        configure(spec) {
          withoutMounts(spec, '/dev')
          spec.root.readonly = false
          spec.linux.maskedPaths = ['/proc/version']
        },
      })
      const before = lstatSync(`${bundle.rootfs}/dev/null`)
      const { stdout } = await bundle.shell('exec timeout -k 1 30 $TSRUN --root $ROOT run $ID')
      t.equal(stdout, '', `maker ${index}`)
      const after = lstatSync(`${bundle.rootfs}/dev/null`)
      t.same([after.mode, after.uid, after.ino], [before.mode, before.uid, before.ino])
      t.same(decoy.check(), [])
    }
  },
)

t.test(
  'T-04 CVE-2025-31133, CVE-2025-52565 nor on one that is exchanged meanwhile',
  { skip: needsContainers('python3') },
  async (t) => {
    const decoy = makeDecoy(t.testdir())
    const marker = `${decoy.dir}/marker`
    const bundle = await withBundle(t, {
      args: ['sh', '-c', 'cat /proc/version /proc/keys; stat -c %t:%T /proc/version'],
      populate(rootfs) {
        mkdirSync(`${rootfs}${decoy.dir}`, { recursive: true })
        writeFileSync(`${rootfs}${marker}`, 'SECRET')
        execFileSync('mknod', ['-m', '666', `${rootfs}/dev/null`, 'c', '1', '3'])
        symlinkSync(marker, `${rootfs}/dev/link`)
      },
      configure(spec) {
        withoutMounts(spec, '/dev')
        spec.root.readonly = false
        spec.process.user = { uid: 1000, gid: 1000 }
        spec.linux.maskedPaths = ['/proc/version', '/proc/keys']
      },
    })
    const dev = `${bundle.rootfs}/dev`
    let started = 0
    const attempts = await whileRacing(exchanging(`${dev}/null`, `${dev}/link`), async () => {
      const { stdout } = await bundle.shell('exec timeout -k 1 30 $TSRUN --root $ROOT run $ID')
      if (stdout !== '') started++
      if (stdout !== '' && stdout !== '1:3\n') t.fail(stdout)
    })
    t.same(decoy.check(), [])
    t.equal(statSync(`${bundle.rootfs}${marker}`).uid, 0, 'given to nobody')
    t.equal(statSync('/dev/null').uid, 0)
    t.comment(`${started} of ${attempts} containers ran to their end`)
  },
)
