/** The launcher's system call numbers and its stack frame, to which v5 points throughout. */

import { constant, type Instruction, type Machine, type Register } from './instructions.ts'

/** System call numbers. */
export const CALLS = {
  'x86-64': {
    write: 1,
    execve: 59,
    fcntl: 72,
    exitGroup: 231,
    openat: 257,
    readlinkat: 267,
    prlimit64: 302,
    execveat: 322,
    openTree: 428,
    mountSetattr: 442,
  },
  aarch64: {
    write: 64,
    execve: 221,
    fcntl: 25,
    exitGroup: 94,
    openat: 56,
    readlinkat: 78,
    prlimit64: 261,
    execveat: 281,
    openTree: 428,
    mountSetattr: 442,
  },
} as const

/** System call numbers of one machine. */
export type Calls = (typeof CALLS)[Machine]

/** Longest path in bytes, NUL included. */
export const PATH_MAX: number = 4096
/** Offset of the `struct rlimit64` that was in force. */
export const LIMIT: number = 0
/** Offset of a `struct mount_attr`. */
export const MOUNT_ATTRIBUTES: number = 16
/** Offset of `TSRUN_NOFILE=...`. */
export const NOFILE: number = 64
/** Offset of `TSRUN_MOUNT=...`. */
export const MOUNT: number = 128
/** Offset where v1 is kept while the number is written. */
export const ENVIRONMENT: number = 176
/** Offset of `TSRUN_FREE=...`. */
export const FREE: number = 184
/** Offset of `TSRUN_LIB=...`. */
export const LIBRARY: number = 224
/** Offset of the engine's path. */
export const ENGINE: number = LIBRARY + PATH_MAX + 32
/** Offset of the room in which an error message is put together. */
export const MESSAGE: number = ENGINE + PATH_MAX + 32
/** Bytes of the frame. */
export const FRAME_SIZE: number = MESSAGE + PATH_MAX + 128

/** `to` = the address of `offset` in the frame. */
export function frame(to: Register, offset: number): Instruction[] {
  return [constant(to, offset), { op: 'add-register', to, from: 'v5' }]
}
