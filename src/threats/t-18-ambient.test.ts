/** T-18: capabilities of the caller stay outside. */
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

t.test(
  'T-18 CVE-2016-8867 capabilities of the caller stay outside',
  { skip: needsContainers('command setpriv') },
  async (t) => {
    const bundle = await withBundle(t, {
      args: ['grep', 'Cap', '/proc/self/status'],
      configure(spec) {
        spec.process.capabilities = {}
      },
    })
    const { stdout, stderr } = await bundle.shell(
      'exec setpriv --inh-caps +net_raw --ambient-caps +net_raw $TSRUN --root $ROOT run $ID',
    )
    const sets = stdout.trim().split('\n')
    t.equal(sets.length, 5, stderr)
    for (const line of sets) t.match(line, /\s0{16}$/)
  },
)
