/** H-37: tmpcopyup copies what is in the root, and follows no link. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import t from 'tap'
import { makeDecoy } from '../rootfs/testing.ts'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('H-37 tmpcopyup brings in nothing of the host', { skip }, async (t) => {
  const decoy = makeDecoy(t.testdir())
  const b = await withBundle(t, {
    args: ['sh', '-c', 'find /data /linked -type f; find /data -type l | wc -l; ls /linked/'],
    populate(rootfs) {
      mkdirSync(`${rootfs}/data/sub`, { recursive: true })
      symlinkSync(decoy.dir, `${rootfs}/data/directory`)
      symlinkSync(`${decoy.dir}/marker`, `${rootfs}/data/sub/file`)
      symlinkSync('/proc/self/fd', `${rootfs}/data/sub/descriptors`)
      execFileSync('mkfifo', [`${rootfs}/data/fifo`])
      symlinkSync(decoy.dir, `${rootfs}/linked`)
    },
    configure(spec) {
      spec.root.readonly = false
      const options = ['tmpcopyup']
      spec.mounts.push(
        { destination: '/data', type: 'tmpfs', options },
        { destination: '/linked', type: 'tmpfs', options },
      )
    },
  })
  const { stdout, stderr } = await b.shell('exec timeout -k 1 30 $TSRUN --root $ROOT run $ID')
  t.equal(stdout, '3\n', stderr)
  t.same(decoy.check(), [])
})
