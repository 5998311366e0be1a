/** H-11: no part of tsrun writes its memory to a file of the container. */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { eventually, isRunning } from '../testing/kernel.ts'
import { needs, needsContainers } from '../testing/needs.ts'

const PATTERN = '/proc/sys/kernel/core_pattern'

/** Where a core goes by the host's pattern, to be found again: beside the process. */
function writesBeside(): string | false {
  const skip = needs('root')
  if (skip !== false) return skip
  return /^[^|/]/.test(readFileSync(PATTERN, 'utf8'))
    ? false
    : `needs a relative name in ${PATTERN}`
}

t.test(
  'H-11 a process that waits for its start leaves no core',
  { skip: needsContainers() || writesBeside() },
  async (t) => {
    const b = await withBundle(t, {
      configure(spec) {
        spec.root.readonly = false
        spec.process.cwd = '/tmp'
        spec.process.rlimits = [{ type: 'RLIMIT_CORE', hard: 1 << 30, soft: 1 << 30 }]
        // the first process of one is deaf to the signal
        spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'pid')
      },
    })
    const files = (): string[] =>
      ['.', 'rootfs', 'rootfs/tmp'].flatMap((dir) =>
        readdirSync(`${b.dir}/${dir}`).filter((name) => name.includes('core')),
      )
    const { code, stderr } = await b.shell(
      'ulimit -c unlimited; exec $TSRUN --root $ROOT create $ID',
    )
    t.equal(code, 0, stderr)
    const { pid } = await b.state()
    process.kill(pid, 'SIGSEGV')
    await eventually('it ends', () => !isRunning(pid))
    t.same(files(), [])
    await b.tsrun('delete', '--force', b.id)

    // what the program itself does is its own affair
    b.reconfigure((spec) => {
      spec.process.args = ['sh', '-c', 'kill -SEGV $$']
    })
    await b.tsrun('run', b.id)
    t.equal(files().length, 1, 'of the program there is one')
    for (const name of files()) rmSync(`${b.rootfs}/tmp/${name}`)
  },
)
