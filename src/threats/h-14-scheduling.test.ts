/** H-14: how the caller is scheduled passes to a container that does not say otherwise. */
import { readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import t from 'tap'
import { type TestSpec, withBundle } from '../testing/bundle.ts'
import { run } from '../testing/cli.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers('command chrt', 'command nice', 'command ionice')
const BATCH = 3
const OTHER = 0

/** Policy and nice value. @see proc_pid_stat(5) */
function schedulingOf(pid: number): { policy: number; nice: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  const field = (number: number): number => Number(fields[number - 3])
  return { policy: field(41), nice: field(19) }
}

t.test('H-14 scheduling is inherited, or what config.json says', { skip }, async (t) => {
  const b = await withBundle(t)
  const as = async (caller: string, change: (spec: TestSpec) => void = () => {}) => {
    b.reconfigure(change)
    const { code, stderr } = await b.shell(`exec ${caller} $TSRUN --root $ROOT create $ID`)
    t.equal(code, 0, stderr)
    const { pid } = await b.state()
    t.equal((await b.tsrun('start', b.id)).code, 0)
    const found = schedulingOf(pid)
    const { stdout } = await run(['ionice', '-p', `${pid}`])
    t.equal((await b.tsrun('delete', '--force', b.id)).code, 0)
    return { ...found, io: stdout.trim() }
  }
  const nicer = Math.min(19, getPriority() + 7)
  t.match(await as('nice -n 7'), { policy: OTHER, nice: nicer })
  t.match(await as('chrt --batch 0'), { policy: BATCH })
  t.match(await as('ionice -c 2 -n 6'), { io: 'best-effort: prio 6' })
  const change = ({ process }: TestSpec): void => {
    process.scheduler = { policy: 'SCHED_OTHER', nice: 3 }
    process.ioPriority = { class: 'IOPRIO_CLASS_IDLE', priority: 0 }
  }
  t.match(await as('chrt --batch 0', change), { policy: OTHER, nice: 3, io: 'idle' })
})
