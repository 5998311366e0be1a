/**
 * A small program for self-test.ts, compiled as the engine is and started by the same launcher.
 * Its first argument says what to look at; it answers in one line of JSON.
 */

import { Fd } from '../src/sys/fd.ts'
import { readFile, writeAll } from '../src/sys/file.ts'
import { clone3, exit, pidfdSendSignal, waitFor } from '../src/sys/process.ts'
import { SIG, setAllDefault } from '../src/sys/signal.ts'
import { pollIn } from '../src/sys/socket.ts'

const PATIENCE_MS = 5000
/** The engine collects at every 8 MB. */
const CHILD_MEGABYTES = 9

/** Small objects, strings and buffers: enough for at least one collection. */
function makeGarbage(megabytes: number): number {
  let kept: unknown[] = []
  let count = 0
  for (let size = 0; size < megabytes * 1e6; size += 1200) {
    kept.push({
      count,
      text: `text ${count}`,
      list: [count, count + 1],
      bytes: new Uint8Array(1000),
    })
    if (kept.length > 500) kept = []
    count += 1
  }
  return count
}

function threads(): number {
  return Number(/^Threads:\s*(\d+)/m.exec(readFile(undefined, '/proc/self/status'))?.[1])
}

/** Memory that is writable and executable: the engine keeps it from its copies. */
function hasCodeMemory(): boolean {
  return / rwxp /.test(readFile(undefined, '/proc/self/maps', 1 << 22))
}

/** Whether the child of `pidfd` ends in time; kills it otherwise. */
function ends(pidfd: Fd): boolean {
  const [events = 0] = pollIn([pidfd], PATIENCE_MS)
  if (events !== 0) return true
  pidfdSendSignal(pidfd, SIG.KILL)
  return false
}

/** Clones that collect garbage in the child: how many hung, how many ended in another way. */
function cloneMany(count: number): { hung: number; failed: number } {
  const result = { hung: 0, failed: 0 }
  for (let i = 0; i < count; i += 1) {
    const { pid, pidfd } = clone3(0)
    if (pid === 0) {
      setAllDefault()
      exit(makeGarbage(CHILD_MEGABYTES) > 0 ? 0 : 1)
    }
    if (!ends(pidfd)) result.hung += 1
    if (waitFor(pid)?.code !== 0) result.failed += 1
    pidfd.close()
  }
  return result
}

function answer(question: string | undefined): unknown {
  switch (question) {
    case 'environment':
      return { env: process.env, argv: process.argv }
    case 'threads':
      makeGarbage(10)
      return { threads: threads(), hasCodeMemory: hasCodeMemory() }
    case 'clones':
      makeGarbage(10)
      return cloneMany(Number(process.argv[3]))
    default:
      return { question }
  }
}

writeAll(new Fd(1, 'standard output'), `${JSON.stringify(answer(process.argv[2]))}\n`)
exit(0)
