/** T-30: chains, paths and documents without end. */
import { symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('T-30 long chains and deep documents end in an error, soon', { skip }, async (t) => {
  const bundle = await withBundle(t, {
    populate(rootfs) {
      for (let i = 0; i < 200; i++) symlinkSync(`l${i + 1}`, `${rootfs}/l${i}`)
      symlinkSync('self', `${rootfs}/self`)
    },
  })
  const destinations = ['/l0', '/l0/x', '/self/x', `/${'d/'.repeat(2100)}`, `/${'n'.repeat(300)}`]
  for (const destination of destinations) {
    bundle.reconfigure((spec) => {
      spec.mounts.push({ destination, type: 'tmpfs' })
    })
    const { code, stderr } = await bundle.shell('exec timeout -k 1 30 $TSRUN --root $ROOT run $ID')
    t.equal(code, 1, destination.slice(0, 20))
    t.match(stderr, /too many levels of symbolic links|file name too long|too many/i)
  }
  const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`
  for (const text of [deep, '['.repeat(1_000_000), `{"a":"${'x'.repeat(50 << 20)}"}`]) {
    writeFileSync(`${bundle.dir}/config.json`, text)
    const { code } = await bundle.shell('exec timeout -k 1 30 $TSRUN --root $ROOT run $ID')
    t.equal(code, 1, text.slice(0, 10))
  }
})
