/** What the running kernel has for filters, and which libseccomp is installed. */

import { FILTER_FLAG } from '../plan/seccomp.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { S } from '../sys/ffi.ts'
import { readlink, stat } from '../sys/file.ts'
import { libraryPath } from '../sys/library-path.ts'
import { at, room, text, view } from '../sys/memory.ts'
import { NR } from '../sys/numbers.ts'

const SET_MODE_FILTER = 1
const LIBSECCOMP = 'libseccomp.so.2'

/**
 * True if the kernel knows all of `flags`, of `FILTER_FLAG`.
 *
 * @see seccomp(2): the flags are judged before the program is read
 */
export function supportsFlags(flags: number): boolean {
  // one that says how to listen is refused where nothing listens
  const listening = (flags & FILTER_FLAG.WAIT_KILLABLE_RECV) !== 0 ? FILTER_FLAG.NEW_LISTENER : 0
  return S(NR.seccomp, SET_MODE_FILTER, flags | listening, 0) === -E.FAULT
}

const UTSNAME_FIELD = 65

/** Release and machine of the running kernel: `6.1.0 x86_64`. @see uname(2) */
export function kernelIdentity(): string {
  const buffer = room(6 * UTSNAME_FIELD)
  S(NR.uname, at(buffer))
  const field = (index: number) => {
    const start = buffer + index * UTSNAME_FIELD
    let length = 0
    while (view.getUint8(start + length) !== 0) length++
    return text(start, length)
  }
  return `${field(2)} ${field(4)}`
}

/**
 * The file that libseccomp would be loaded from, in words that are others for another file: without
 * loading it.
 *
 * @returns undefined if there is none where distributions have it
 */
export function libseccompIdentity(): string | undefined {
  const path = libraryPath(LIBSECCOMP)
  if (path === undefined) return undefined
  const { devMajor, devMinor, ino, size } = stat(undefined, path)
  return `${targetOf(path)} ${devMajor}:${devMinor}:${ino} ${size}`
}

/** The name says the version. */
function targetOf(path: string): string {
  try {
    return readlink(undefined, path)
  } catch (error) {
    if (isErrno(error, E.INVAL)) return path
    throw error
  }
}
