/** T-24: the state is closed to other users. */
import { statSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test(
  'T-24 CVE-2021-41103, CVE-2021-41091 state is closed to others, whatever the umask',
  { skip },
  async (t) => {
    const bundle = await withBundle(t)
    const { code } = await bundle.shell('umask 0; exec $TSRUN --root $ROOT create $ID')
    t.equal(code, 0)
    const mode = (path: string) => statSync(path).mode & 0o777
    t.equal(mode(bundle.root), 0o700)
    t.equal(mode(`${bundle.root}/${bundle.id}`) & ~0o711, 0)
    t.equal(mode(`${bundle.root}/${bundle.id}/state.json`), 0o600)
    t.equal(mode(`${bundle.root}/${bundle.id}/exec.fifo`) & 0o055, 0)
  },
)
