import { parseDuration } from '../base/duration.ts'
import { ContainerError, messageOf, UsageError } from '../base/errors.ts'
import { stringifyExact } from '../base/json.ts'
import { type OomWatch, watchOom } from '../cgroup/oom.ts'
import { StatsReader } from '../cgroup/stats/stats.ts'
import { ownCgroups } from '../container/own-cgroups.ts'
import type { State } from '../container/state.ts'
import { statusOf } from '../container/status.ts'
import { Store } from '../container/store.ts'
import { isReaderGone } from '../sys/notification.ts'
import { pollIn } from '../sys/socket.ts'
import { defineCommand, type Runtime } from './define.ts'

const STDOUT = 1

export default defineCommand({
  name: 'events',
  summary: "print a container's statistics and its out-of-memory notices as JSON lines",
  usage: '<container-id>',
  description:
    'Statistics are printed once every interval, notices as they come, until the container ends.',
  args: { min: 1, max: 1 },
  options: {
    interval: {
      type: 'string',
      metavar: 'DURATION',
      default: '5s',
      summary: 'time between two statistics: 500ms, 1m30s',
    },
    stats: { type: 'flag', summary: 'print the statistics of this moment and end' },
  },
  async run({ options, args: [id = ''], runtime }) {
    const interval = intervalOf(options.interval)
    const state = readState(runtime.root, id, interval)
    const intelRdt = await intelRdtOf(state)
    const cgroup = ownCgroups(state)
    using reader = new StatsReader(cgroup)
    const stats = (): string => lineOf({ type: 'stats', id, data: reader.read(intelRdt()) })
    if (options.stats) runtime.print(stats())
    else {
      using watch = watchOom(cgroup)
      stream({ stats, oom: lineOf({ type: 'oom', id }), watch, interval }, runtime)
    }
    return 0
  },
})

/** Milliseconds. @throws {UsageError} as for any flag with a bad value */
function intervalOf(text: string): number {
  const interval = parseDuration(text)
  if (interval !== undefined) return interval
  const message = `invalid value ${JSON.stringify(text)} for flag -interval: parse error`
  throw new UsageError(message, { heading: `Incorrect Usage: ${message}`, help: 'events' })
}

/** @throws {ContainerError} unless there are processes to tell of */
function readState(root: string, id: string, interval: number): State {
  using store = Store.open(root, id)
  const state = store.read()
  if (interval <= 0) throw new Error('duration interval must be greater than 0')
  if (statusOf(store, state) === 'stopped') {
    throw new ContainerError('not-running', `container with id ${id} is not running`)
  }
  return state
}

/** What reads the statistics of Intel RDT; nothing of a container that has no part in it. */
async function intelRdtOf({ resctrl }: State): Promise<() => object> {
  if (resctrl === undefined) return () => ({})
  const { readResctrlStats } = await import('../resctrl/stats.ts')
  return () => readResctrlStats(resctrl)
}

function lineOf(event: object): string {
  return `${stringifyExact(event)}\n`
}

interface Stream {
  /** The line for the statistics of this moment. */
  readonly stats: () => string
  /** The line for a want of memory. */
  readonly oom: string
  readonly watch: OomWatch
  /** Milliseconds. */
  readonly interval: number
}

/** Prints until the container ends, or nobody reads any more. */
function stream({ stats, oom, watch, interval }: Stream, { print, log }: Runtime): void {
  for (let due = performance.now() + interval; ; ) {
    const news = watch.news()
    if (news.oom) print(oom)
    if (news.ended || isReaderGone(STDOUT)) return
    const now = performance.now()
    if (now < due) {
      pollIn([watch.fd], due - now)
      continue
    }
    try {
      print(stats())
    } catch (error) {
      log.error(messageOf(error))
    }
    // moments that have passed meanwhile are left out
    due += interval * Math.ceil((performance.now() - due) / interval)
  }
}
