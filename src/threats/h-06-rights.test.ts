/** H-06, H-07: no right that config.json does not give, known or not. */
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { NR } from '../sys/numbers.ts'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'
import { call, image } from '../testing/static-program.ts'

const PR_GET_SECUREBITS = 27

/** Exits with the securebits. */
const SECUREBITS = image([
  call('prctl', [PR_GET_SECUREBITS], { row: 1, arg: 0 }),
  { nr: NR.exit_group, args: [255], mode: 'fatal' },
])

t.test('H-06 the bounding set is empty to its last bit', { skip: needsContainers() }, async (t) => {
  const last = Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8'))
  const b = await withBundle(t, {
    args: ['grep', '^CapBnd', '/proc/self/status'],
    configure({ process }) {
      process.capabilities = {}
    },
  })
  t.equal((await b.tsrun('run', b.id)).stdout, `CapBnd:\t${'0'.repeat(16)}\n`)
  t.ok(last > 39, 'of all that there are')
})

t.test(
  'H-07 securebits of the caller keep nothing alive',
  { skip: needsContainers('command setpriv') },
  async (t) => {
    const b = await withBundle(t, {
      args: ['/securebits'],
      populate: (rootfs) => writeFileSync(`${rootfs}/securebits`, SECUREBITS, { mode: 0o755 }),
    })
    t.equal((await b.tsrun('run', b.id)).code, 0)
    const keeping = 'exec setpriv --securebits +no_setuid_fixup'
    const { code, stderr } = await b.shell(`${keeping} $TSRUN --root $ROOT run $ID`)
    t.equal(code, 0, stderr)
    b.reconfigure(({ process }) => {
      process.args = ['grep', '^Cap[PE]', '/proc/self/status']
      process.user = { uid: 1000, gid: 1000 }
    })
    const { stdout } = await b.shell(`${keeping} $TSRUN --root $ROOT run $ID`)
    t.match(stdout, /^CapPrm:\t0{16}\nCapEff:\t0{16}\n$/)
  },
)
