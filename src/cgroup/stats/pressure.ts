import { type Files, parsed } from './files.ts'
import { linesOf, parseUnsigned, wordsOf } from './text.ts'

/** Shares of time in percent, and the whole time in µs. */
export interface PressureTimes {
  readonly avg10: number
  readonly avg60: number
  readonly avg300: number
  readonly total: bigint
}

export interface Pressure {
  readonly some: PressureTimes
  readonly full: PressureTimes
}

const NONE: PressureTimes = { avg10: 0, avg60: 0, avg300: 0, total: 0n }

/**
 * Lines like `some avg10=0.00 avg60=1.25 avg300=0.10 total=4321`; older kernels have no `full` for
 * the CPU, which then is zero.
 *
 * @throws {Error} for values that are no numbers
 * @see the kernel's accounting/psi
 */
export function parsePressure(text: string): Pressure {
  const kinds = new Map(
    linesOf(text).map((line) => {
      const [kind = '', ...members] = wordsOf(line)
      return [kind, timesOf(members)]
    }),
  )
  return { some: kinds.get('some') ?? NONE, full: kinds.get('full') ?? NONE }
}

function timesOf(members: readonly string[]): PressureTimes {
  const values = new Map(
    members.map((member) => {
      const [name = '', value = ''] = member.split('=')
      return [name, value]
    }),
  )
  const share = (name: string): number => {
    const value = values.get(name) ?? '0'
    if (!/^\d+(\.\d+)?$/.test(value)) throw new Error(`${name}=${value} is not a share`)
    return Number(value)
  }
  return {
    avg10: share('avg10'),
    avg60: share('avg60'),
    avg300: share('avg300'),
    total: parseUnsigned(values.get('total') ?? '0'),
  }
}

/** The pressure on one resource of a cgroup; undefined if the kernel does not measure it. */
export function pressureIn(files: Files, name: string): Pressure | undefined {
  return parsed(files, name, parsePressure)
}
