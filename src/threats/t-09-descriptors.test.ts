/** T-09: no descriptor of the host, and no way to it by one. */
import { symlinkSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('T-09 CVE-2024-21626 the program gets the standard streams alone', { skip }, async (t) => {
  const bundle = await withBundle(t, { args: ['sh', '-c', 'ls /proc/1/fd; true'] })
  const held = 'exec 9</ 7</etc; $TSRUN --root $ROOT'
  t.equal((await bundle.shell(`${held} run $ID`)).stdout, '0\n1\n2\n')
  const twice = await bundle.shell(`${held} create $ID && $TSRUN --root $ROOT start $ID; sleep 0.3`)
  t.equal(twice.stdout, '0\n1\n2\n')
  const exec = `${held} exec $ID sh -c 'ls /proc/$$/fd; true'`
  bundle.reconfigure((spec) => {
    spec.process.args = ['sleep', '1000']
  })
  await bundle.tsrun('delete', '--force', bundle.id)
  t.equal((await bundle.tsrun('run', '-d', bundle.id)).code, 0)
  t.equal((await bundle.shell(exec)).stdout, '0\n1\n2\n', 'exec')
})

t.test(
  'T-09 CVE-2024-21626 no working directory leads out through a descriptor',
  { skip },
  async (t) => {
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
          spec.process.args = [
            'sh',
            '-c',
            'ls -d rootfs state config.json ../config.json; pwd; true',
          ]
        })
        const { code, stdout } = await bundle.tsrun('run', bundle.id)
        if (code === 0) t.match(stdout, /^\/[^\n]*\n$/, cwd)
        else t.equal(stdout, '', cwd)
      }
    }
  },
)

t.test('T-09 CVE-2024-21626 no program runs through a descriptor', { skip }, async (t) => {
  const bundle = await withBundle(t)
  t.equal((await bundle.tsrun('run', '-d', `${bundle.id}-exec`)).code, 0)
  const shell = ['-c', 'echo outside']
  for (let n = 3; n < 24; n++) {
    const program = `/proc/self/fd/${n}/../../../bin/sh`
    // with such a hook there is no other execve between tsrun and the program
    for (const hooks of [{}, { startContainer: [{ path: '/bin/true' }] }]) {
      bundle.reconfigure((spec) => {
        spec.process.args = [program, ...shell]
        spec.hooks = hooks
      })
      const { code, stdout } = await bundle.tsrun('run', bundle.id)
      t.not(code, 0, program)
      t.equal(stdout, '')
    }
    const words = [`${bundle.id}-exec`, `/proc/self/fd/${n}/bin/sh`, ...shell]
    t.match(await bundle.tsrun('exec', ...words), { code: 255, stdout: '' }, `exec ${n}`)
  }
})
