/** The files of one cgroup, read by descriptor; what statistics are made from. */
import { messageOf } from '../../base/errors.ts'
import { isErrno } from '../../sys/check.ts'
import { E } from '../../sys/errno.ts'
import type { Fd } from '../../sys/fd.ts'
import { O, open, readDirectory, readFile } from '../../sys/file.ts'
import { parseUnsigned } from './text.ts'

export interface Files {
  /** Content of a file; undefined when there is none, or the cgroup is gone. */
  read(name: string): string | undefined
  names(): readonly string[]
}

/** A cgroup that is not there. */
export const NO_FILES: Files = { read: () => undefined, names: () => [] }

/**
 * Opens the directory of a cgroup.
 *
 * @returns undefined if it is not there; else the caller's to dispose
 */
export function openFiles(path: string): (Files & Disposable) | undefined {
  let dir: Fd
  try {
    dir = open(undefined, path, O.RDONLY | O.DIRECTORY)
  } catch (error) {
    if (isErrno(error, E.NOENT)) return undefined
    throw error
  }
  return {
    read: (name) => readIfAny(dir, name),
    names: () => readDirectory(dir),
    [Symbol.dispose]: () => dir.close(),
  }
}

/** EOPNOTSUPP: pressure is switched off on the kernel's command line, or a threaded cgroup. */
function readIfAny(dir: Fd, name: string): string | undefined {
  try {
    return readFile(dir, name)
  } catch (error) {
    if (isErrno(error, E.NOENT, E.NODEV, E.OPNOTSUPP)) return undefined
    throw error
  }
}

/**
 * What `parse` makes of a file.
 *
 * @returns undefined if there is none
 * @throws {Error} naming the file whose text is not as the kernel documents it
 */
export function parsed<T>(files: Files, name: string, parse: (text: string) => T): T | undefined {
  const text = files.read(name)
  if (text === undefined) return undefined
  try {
    return parse(text)
  } catch (cause) {
    throw new Error(`unable to parse ${name}: ${messageOf(cause)}`, { cause })
  }
}

/** The number in a file, 0 if there is no such file. */
export function numberIn(files: Files, name: string): bigint {
  return parsed(files, name, parseUnsigned) ?? 0n
}
