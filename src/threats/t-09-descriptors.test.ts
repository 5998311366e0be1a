/** T-09, T-11: no descriptor of the host, and no working directory outside. */
import { symlinkSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('T-09 the program gets the standard streams alone', { skip }, async (t) => {
  const bundle = await withBundle(t, { args: ['sh', '-c', 'ls /proc/1/fd; true'] })
  const held = 'exec 9</ 7</etc; $TSRUN --root $ROOT'
  t.equal((await bundle.shell(`${held} run $ID`)).stdout, '0\n1\n2\n')
  const twice = await bundle.shell(`${held} create $ID && $TSRUN --root $ROOT start $ID; sleep 0.3`)
  t.equal(twice.stdout, '0\n1\n2\n')
})

t.test('T-09 no working directory leads out through a descriptor', { skip }, async (t) => {
  const bundle = await withBundle(t, {
    populate(rootfs) {
      for (let n = 3; n < 24; n++) symlinkSync(`/proc/self/fd/${n}`, `${rootfs}/w${n}`)
    },
  })
  for (let n = 3; n < 24; n++) {
    const ways = n % 3 === 0 ? [`/proc/self/fd/${n}`, `/w${n}`] : [`/proc/1/fd/${n}/../..`]
    for (const cwd of ways) {
      bundle.reconfigure((spec) => {
        spec.process.cwd = cwd
        spec.process.args = ['sh', '-c', 'ls -d rootfs state config.json ../config.json; pwd; true']
      })
      const { code, stdout } = await bundle.tsrun('run', bundle.id)
      if (code === 0) t.match(stdout, /^\/[^\n]*\n$/, cwd)
      else t.equal(stdout, '', cwd)
    }
  }
})
