import { killContainer } from '../container/kill.ts'
import { SIG } from '../sys/signal.ts'
import { defineCommand } from './define.ts'

const LAST_SIGNAL = 64
/** Real-time signals, as kill(1) names them. */
const RTMIN = 34

/**
 * The number of a signal given as number, `TERM` or `SIGTERM`, in any case.
 *
 * @throws {Error} for anything else
 * @see signal(7)
 */
export function parseSignal(text: string): number {
  if (/^\d+$/.test(text)) {
    const number = Number(text)
    if (number <= LAST_SIGNAL) return number
  }
  const name = text.toUpperCase().replace(/^SIG/, '')
  if (Object.hasOwn(SIG, name)) return SIG[name as keyof typeof SIG]
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name)
  if (realTime !== null) {
    const [, end, sign = '+', distance = '0'] = realTime
    const number = (end === 'MIN' ? RTMIN : LAST_SIGNAL) + Number(sign + distance)
    if (number >= RTMIN && number <= LAST_SIGNAL) return number
  }
  throw new Error(`unknown signal ${JSON.stringify(text)}`)
}

export default defineCommand({
  name: 'kill',
  summary: "send a signal (SIGTERM by default) to a container's first process",
  usage: '<container-id> [signal]',
  args: { min: 1, max: 2 },
  stopAtPositional: true,
  options: {
    all: { type: 'flag', alias: 'a', hidden: true, summary: 'a stopped container is no error' },
  },
  run({ options, args: [id = '', signal = 'TERM'], runtime }) {
    killContainer(runtime.root, id, parseSignal(signal), options.all)
    return 0
  },
})
