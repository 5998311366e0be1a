/** The launcher's strings, and what it does to the environment, as tables. */

import { errnoText } from '../sys/errno.ts'
import { data, type Instruction, label } from './instructions.ts'

/**
 * The engine's switches. The first five keep it single-threaded, as a clone of it needs. Without
 * the JIT it starts 0.75 ms sooner, needs no memory that is writable and executable, and has none
 * that a copy of the process would lack. The others make it reserve 0.3 in place of 6 GB of address
 * space, for hosts that limit that.
 */
export const SWITCHES: readonly string[] = [
  'BUN_JSC_useConcurrentJIT=0',
  'BUN_JSC_useConcurrentGC=0',
  'BUN_JSC_numberOfGCMarkers=1',
  'BUN_JSC_useWarmUpMarkedBlocks=0',
  'MIMALLOC_PURGE_DELAY=-1',
  'BUN_JSC_useJIT=0',
  'BUN_JSC_structureHeapSizeInKB=65536',
  'MIMALLOC_ARENA_RESERVE=65536',
]

/**
 * Prefixes of variables that do not reach the engine: what Bun, its JavaScript engine, allocator
 * and ICU obey, what glibc and its loader obey, and our own, which nobody else may set.
 */
export const DROPPED: readonly string[] = [
  'BUN_',
  'NODE_',
  'JSC_',
  'ICU_',
  'MIMALLOC_',
  'LD_',
  'GLIBC_',
  'GCONV_PATH=',
  'LOCPATH=',
  'MALLOC_',
  'TSRUN_',
]

/** Error numbers that have a text in the launcher: those that execve(2) and its like return. */
const ERRORS = [1, 2, 4, 5, 7, 8, 9, 12, 13, 14, 20, 22, 23, 24, 26, 36, 38, 40]

/** Strings that end by NUL, one after the other, then an empty one. */
function list(name: string, strings: readonly string[]): Instruction[] {
  return [label(name), bytes(`${strings.map((text) => `${text}\0`).join('')}\0`)]
}

function bytes(text: string): Instruction {
  return data(new TextEncoder().encode(text))
}

function string(name: string, text: string): Instruction[] {
  return [label(name), bytes(`${text}\0`)]
}

/** All data of the launcher; labels are named for what they hold. */
export function launcherData(): Instruction[] {
  return [
    ...string('nothing', ''),
    ...string('colon', ':'),
    ...string('colon and blank', ': '),
    ...string('newline', '\n'),
    ...string('errno', 'errno '),
    ...string('/dev/null', '/dev/null'),
    ...string('/proc/self/exe', '/proc/self/exe'),
    ...string('/tsrun.engine', '/tsrun.engine'),
    ...string('tsrun.engine', 'tsrun.engine'),
    ...string('TSRUN_MOUNT=', 'TSRUN_MOUNT='),
    ...string('TSRUN_LIB=', 'TSRUN_LIB='),
    ...string('TSRUN_FREE=', 'TSRUN_FREE='),
    ...string('TSRUN_NOFILE=', 'TSRUN_NOFILE='),
    ...string('cannot open /dev/null', 'tsrun: cannot open /dev/null'),
    ...string('cannot duplicate a descriptor', 'tsrun: cannot duplicate a descriptor'),
    ...string('cannot read /proc/self/exe', 'tsrun: cannot read /proc/self/exe'),
    ...string('cannot read RLIMIT_NOFILE', 'tsrun: cannot read RLIMIT_NOFILE'),
    ...string('cannot execute', 'tsrun: cannot execute '),
    ...list('switches', SWITCHES),
    ...list('dropped', DROPPED),
    ...list(
      'error texts',
      ERRORS.map((errno) => `${String.fromCharCode(errno)}${errnoText(errno)}`),
    ),
  ]
}
