/** T-17: groups of the caller stay outside. */
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

t.test(
  'T-17 CVE-2022-2989, CVE-2022-36109 groups of the caller stay outside',
  { skip: needsContainers('command setpriv') },
  async (t) => {
    const bundle = await withBundle(t, { args: ['grep', 'Groups', '/proc/self/status'] })
    const run = 'exec setpriv --groups 4,24,27 $TSRUN --root $ROOT run $ID'
    t.match((await bundle.shell(run)).stdout, /^Groups:\s*$/)
    bundle.reconfigure((spec) => {
      spec.process.user = { uid: 5, gid: 6, additionalGids: [100, 200] }
    })
    t.match((await bundle.shell(run)).stdout, /^Groups:\s*100 200\s*$/)
  },
)
