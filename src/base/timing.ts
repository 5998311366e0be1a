/** How long the phases of one command took: a list of moments, kept only under --debug. */
import type { Log } from './log.ts'

const marks: { readonly name: string; readonly at: number }[] = []
let enabled = false

/** From now on `mark` records. */
export function enableTiming(): void {
  enabled = true
}

/** Notes that the phase `name` ends now. The first phase began at process start (execve). */
export function mark(name: string): void {
  if (enabled) marks.push({ name, at: performance.now() })
}

/** Writes one debug record a phase, with its length and the time since process start in ms. */
export function report(log: Log): void {
  let before = 0
  for (const { name, at } of marks) {
    const ms = (at - before).toFixed(3)
    log.debug(`phase ${name}: ${ms} ms`, { phase: name, ms: Number(ms), at: Number(at.toFixed(3)) })
    before = at
  }
  marks.length = 0
}
