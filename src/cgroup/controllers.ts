/** Controllers and threaded mode of cgroup v2. @see the kernel's admin-guide/cgroup-v2 */
import { ContainerError } from '../base/errors.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { writeFile } from '../sys/file.ts'
import { readIfAny } from './tree.ts'

function wordsOf(path: string): string[] {
  return readIfAny(path).split(/\s+/).filter(Boolean)
}

/**
 * Lets the children of the cgroup at `path` have every controller that it has itself. One that the
 * kernel refuses, because processes are in the cgroup for instance, is left out: a limit that needs
 * it says so.
 */
export function enableControllers(path: string): void {
  const file = `${path}/cgroup.subtree_control`
  const enabled = wordsOf(file)
  const missing = wordsOf(`${path}/cgroup.controllers`).filter((name) => !enabled.includes(name))
  if (missing.length === 0) return
  const all = missing.map((name) => `+${name}`)
  if (tryWrite(file, all.join(' '))) return
  for (const one of all) tryWrite(file, one)
}

function tryWrite(file: string, words: string): boolean {
  try {
    writeFile(undefined, file, words)
    return true
  } catch (error) {
    if (isErrno(error, E.BUSY, E.OPNOTSUPP, E.INVAL, E.NOENT, E.ACCES, E.PERM, E.NODEV))
      return false
    throw error
  }
}

/**
 * Makes a new cgroup fit for processes where its surroundings are threaded.
 *
 * @param needsDomain - limits are wanted that only a domain can have: memory, io, ...
 * @throws {ContainerError} if it cannot be
 */
export function joinThreadedMode(path: string, needsDomain: boolean): void {
  const type = readIfAny(`${path}/cgroup.type`).trim()
  if (type === '' || type === 'domain') return
  if (needsDomain) {
    const why = type === 'domain invalid' ? 'in an invalid state' : 'in threaded mode'
    throw new ContainerError(
      'failed',
      `cannot enter cgroupv2 "${path}" with domain controllers -- it is ${why}`,
    )
  }
  if (type === 'domain invalid') writeFile(undefined, `${path}/cgroup.type`, 'threaded')
}
