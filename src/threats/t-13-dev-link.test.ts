/** T-13: a /dev of the image that leads elsewhere is filled inside of the root. */
import { lstatSync, rmSync, symlinkSync } from 'node:fs'
import t from 'tap'
import { makeDecoy, waysTo, withoutMounts } from '../rootfs/testing.ts'
import { withBundle } from '../testing/bundle.ts'
import { mountsBelow } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test(
  'T-13 CVE-2026-41579, CVE-2026-47766 a /dev that leads elsewhere is filled inside',
  { skip },
  async (t) => {
    const decoy = makeDecoy(t.testdir())
    for (const target of waysTo(decoy.dir)) {
      const bundle = await withBundle(t, {
        args: ['true'],
        populate(rootfs) {
          rmSync(`${rootfs}/dev`, { recursive: true })
          symlinkSync(target, `${rootfs}/dev`)
        },
        configure(spec) {
          withoutMounts(spec, '/dev')
          spec.root.readonly = false
        },
      })
      for (const commands of [['run'], ['create', 'start']]) {
        for (const command of commands) await bundle.tsrun(command, bundle.id)
        await bundle.tsrun('delete', '-f', bundle.id)
        t.same(decoy.check(), [], `${commands} with ${target}`)
      }
      t.ok(lstatSync(`${bundle.rootfs}${decoy.dir}/null`).isCharacterDevice())
    }
  },
)

t.test('T-13 CVE-2026-41579 links below /dev stay inside', { skip }, async (t) => {
  const decoy = makeDecoy(t.testdir())
  const bundle = await withBundle(t, {
    args: ['true'],
    populate(rootfs) {
      for (const name of ['pts', 'shm', 'mqueue']) symlinkSync(decoy.dir, `${rootfs}/dev/${name}`)
    },
    configure(spec) {
      spec.mounts = spec.mounts.filter(({ destination }) => destination !== '/dev')
    },
  })
  t.equal((await bundle.tsrun('run', bundle.id)).code, 0)
  t.same(decoy.check(), [])
  t.same(mountsBelow(decoy.dir), [])
})
