/**
 * A small program for self-test.ts, compiled as the engine is and started by the same launcher.
 * Its first argument says what to look at; it answers in one line of JSON.
 */

import { Fd } from '../src/sys/fd.ts'
import { S } from '../src/sys/ffi.ts'
import { readFile, writeAll } from '../src/sys/file.ts'
import { alloc, at, view } from '../src/sys/memory.ts'
import { NR } from '../src/sys/numbers.ts'
import { clone3, exit } from '../src/sys/process.ts'
import { setAllDefault } from '../src/sys/signal.ts'

const MADV_DOFORK = 11
const POLLIN = 1
const SIGKILL = 9
const PATIENCE_SECONDS = 5
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

/** The engine keeps its writable and executable memory from children; without it they die. */
function makeHeapForkable(): void {
  const maps = readFile(undefined, '/proc/self/maps', 1 << 22)
  for (const [, from = '', to = ''] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rwxp/gm)) {
    const start = Number.parseInt(from, 16)
    S(NR.madvise, start, Number.parseInt(to, 16) - start, MADV_DOFORK)
  }
}

/** Whether the child of `pidfd` ends in time; kills it otherwise. */
function ends(pidfd: number): boolean {
  const poll = alloc(8)
  view.setInt32(poll, pidfd, true)
  view.setInt16(poll + 4, POLLIN, true)
  const patience = alloc(16)
  view.setUint32(patience, PATIENCE_SECONDS, true)
  if (S(NR.ppoll, at(poll), 1, at(patience), 0, 8) === 1) return true
  S(NR.pidfd_send_signal, pidfd, SIGKILL, 0, 0)
  return false
}

/** Clones that collect garbage in the child: how many hung, how many ended in another way. */
function cloneMany(count: number): { hung: number; failed: number } {
  const result = { hung: 0, failed: 0 }
  makeHeapForkable()
  for (let i = 0; i < count; i += 1) {
    const { pid, pidfd } = clone3(0)
    if (pid === 0) {
      setAllDefault()
      exit(makeGarbage(CHILD_MEGABYTES) > 0 ? 0 : 1)
    }
    if (!ends(pidfd.number)) result.hung += 1
    const status = alloc(8)
    S(NR.wait4, pid, at(status), 0, 0)
    if (view.getInt32(status, true) !== 0) result.failed += 1
    S(NR.close, pidfd.number)
  }
  return result
}

function answer(question: string | undefined): unknown {
  switch (question) {
    case 'environment':
      return { env: process.env, argv: process.argv }
    case 'threads':
      makeGarbage(10)
      return { threads: threads() }
    case 'clones':
      makeGarbage(10)
      return cloneMany(Number(process.argv[3]))
    default:
      return { question }
  }
}

writeAll(new Fd(1, 'standard output'), `${JSON.stringify(answer(process.argv[2]))}\n`)
exit(0)
