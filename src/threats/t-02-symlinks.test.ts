/** T-02: links of the image and of neighbours do not lead out of the root. */
import { lstatSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { makeDecoy, waysTo } from '../rootfs/testing.ts'
import { withBundle } from '../testing/bundle.ts'
import { mountsBelow } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import { exchanging, whileRacing } from '../testing/racing.ts'

const skip = needsContainers()

t.test(
  'T-02 CVE-2015-1335, CVE-2019-18837 mounts, devices and the working directory stay inside',
  { skip },
  async (t) => {
    const decoy = makeDecoy(t.testdir())
    for (const target of waysTo(decoy.dir)) {
      const bundle = await withBundle(t, {
        args: ['true'],
        populate: (rootfs) => symlinkSync(target, `${rootfs}/data`),
        configure(spec) {
          spec.root.readonly = false
          spec.process.cwd = '/data/new'
          spec.mounts.push(
            { destination: '/data/x', source: '/etc/passwd', options: ['bind'] },
            { destination: '/data/y', type: 'tmpfs' },
          )
          spec.linux.devices = [{ type: 'c', path: '/data/dev0', major: 1, minor: 3 }]
        },
      })
      const { code, stderr } = await bundle.tsrun('run', bundle.id)
      t.equal(code, 0, stderr)
      const inside = `${bundle.rootfs}${decoy.dir}`
      t.ok(statSync(`${inside}/x`).isFile())
      t.ok(statSync(`${inside}/y`).isDirectory())
      t.ok(lstatSync(`${inside}/dev0`).isCharacterDevice())
      t.ok(statSync(`${inside}/new`).isDirectory())
      t.same(decoy.check(), [])
      t.same(mountsBelow(decoy.dir), [])
    }
  },
)

t.test(
  'T-02 CVE-2021-30465, CVE-2018-15664 a neighbour that exchanges directory and link wins nothing',
  {
    skip: needsContainers('python3'),
  },
  async (t) => {
    const decoy = makeDecoy(t.testdir())
    const bundle = await withBundle(t, { args: ['true'] })
    const volume = `${bundle.dir}/volume`
    mkdirSync(`${volume}/a/sub`, { recursive: true })
    writeFileSync(`${volume}/a/file`, '')
    symlinkSync(decoy.dir, `${volume}/b`)
    bundle.reconfigure((spec) => {
      const bind = ['bind']
      spec.process.cwd = '/volume/a/cwd'
      spec.mounts.push(
        { destination: '/volume', source: volume, options: bind },
        { destination: '/volume/a/sub', type: 'tmpfs' },
        { destination: '/volume/a/made/deep', type: 'tmpfs' },
        { destination: '/volume/a/file', source: '/etc/passwd', options: bind },
        { destination: '/volume/b/inner', source: volume, options: bind },
      )
      spec.linux.devices = [{ type: 'c', path: '/volume/a/node', major: 1, minor: 3, uid: 7 }]
      spec.linux.maskedPaths = ['/volume/a/marker', '/volume/a/inner']
      spec.linux.readonlyPaths = ['/volume/b/inner']
    })
    let finished = 0
    const attempts = await whileRacing(exchanging(`${volume}/a`, `${volume}/b`), async () => {
      if ((await bundle.tsrun('run', bundle.id)).code === 0) finished++
    })
    t.same(decoy.check(), [])
    t.same(mountsBelow(decoy.dir), [])
    t.comment(`${finished} of ${attempts} containers ran to their end`)
  },
)
