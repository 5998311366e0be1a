/** T-14: what tsrun makes in a root is made in the root. */
import { symlinkSync } from 'node:fs'
import t from 'tap'
import { makeDecoy, withoutMounts } from '../rootfs/testing.ts'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test(
  'T-14 CVE-2025-24965, CVE-2024-0132 nothing that tsrun makes in a root follows a link out of it',
  { skip },
  async (t) => {
    const decoy = makeDecoy(t.testdir())
    const names = [
      'null',
      'zero',
      'full',
      'random',
      'urandom',
      'tty',
      'fd',
      'stdin',
      'stdout',
      'stderr',
    ]
    for (const name of [...names, 'core', 'ptmx', 'console']) {
      const bundle = await withBundle(t, {
        args: ['true'],
        populate: (rootfs) => symlinkSync(`${decoy.dir}/${name}`, `${rootfs}/dev/${name}`),
        configure(spec) {
          withoutMounts(spec, '/dev')
          spec.root.readonly = false
        },
      })
      await bundle.tsrun('run', bundle.id)
      t.same(decoy.check(), [], name)
    }
  },
)
