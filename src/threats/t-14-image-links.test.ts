/** T-14: what tsrun makes in a root is made in the root. */
import { mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { makeDecoy, withoutMounts } from '../rootfs/testing.ts'
import { type TestBundle, withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

/** A bundle of an image that has nothing but programs. */
function bare(
  t: Parameters<typeof withBundle>[0],
  populate: (rootfs: string) => void,
): Promise<TestBundle> {
  return withBundle(t, {
    args: ['true'],
    populate(rootfs) {
      for (const name of readdirSync(rootfs)) {
        if (name !== 'bin') rmSync(`${rootfs}/${name}`, { recursive: true })
      }
      populate(rootfs)
    },
    configure(spec) {
      withoutMounts(spec, '/dev')
      spec.root.readonly = false
      spec.process.cwd = '/made/work'
      spec.mounts.push(
        { destination: '/made/file', source: '/etc/passwd', options: ['bind'] },
        { destination: '/made/dir', type: 'tmpfs' },
      )
      spec.linux.devices = [{ type: 'c', path: '/made/node', major: 1, minor: 3, uid: 9 }]
    },
  })
}

t.test(
  'T-14 CVE-2025-24965, CVE-2024-0132 whatever tsrun makes may be a link already',
  { skip },
  async (t) => {
    const decoy = makeDecoy(t.testdir())
    const first = await bare(t, () => {})
    t.equal((await first.tsrun('run', first.id)).code, 0)
    const made = (readdirSync(first.rootfs, { recursive: true }) as string[]).filter(
      (path) => !/^bin(\/|$)/.test(path),
    )
    t.ok(made.length > 15, made.join(' '))
    for (const path of [...made, 'dev/core', 'dev/ptmx', 'dev/console', 'dev/pts']) {
      for (const target of [decoy.dir, `${decoy.dir}/new`]) {
        const b = await bare(t, (rootfs) => {
          mkdirSync(dirname(`${rootfs}/${path}`), { recursive: true })
          symlinkSync(target, `${rootfs}/${path}`)
        })
        await b.tsrun('run', b.id)
        t.same(decoy.check(), [], path)
      }
    }
  },
)
