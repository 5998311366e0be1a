/**
 * Labels are written by the last-exec stub itself: they are for the next execve, and the kernel takes
 * them only from the memory that has opened the file.
 */
import type { LabelPlan } from '../plan/labels.ts'
import { failure } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { O, openat2, statIfAny } from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'
import { STRICTLY, selfIn } from './procfs.ts'

/** How the stub reaches the attributes of its process. */
export interface Labelling {
  /** Descriptor of the host's procfs, which the stub closes. */
  readonly procfs: number
  /** What a newly opened descriptor is going to be. */
  readonly free: number
  /** The attributes' directory in it. */
  readonly directory: string
  /** The kernel refuses links and mounts on the way (openat2, threat T-06). */
  readonly isStrict: boolean
  /** AppArmor has files of its own (Linux 5.8). */
  readonly hasModules: boolean
}

/**
 * Finds out how labels are written from here on.
 *
 * @param kept - descriptors that are open in the stub besides the first ones
 * @param first - how many there are from 0 on
 * @throws {SyscallError} if something is in the way
 */
export function prepareLabelling(procfs: Fd, kept: readonly number[], first: number): Labelling {
  const directory = `${selfIn(procfs)}/attr`
  const opened = openat2(procfs, directory, O.PATH | O.DIRECTORY, STRICTLY)
  if (opened < 0 && opened !== -E.NOSYS) throw failure('open', `/proc/${directory}`, opened)
  if (opened >= 0) S(NR.close, opened)
  let free = first
  while (free === procfs.number || kept.includes(free)) free++
  return {
    procfs: procfs.number,
    free,
    directory,
    isStrict: opened >= 0,
    hasModules: statIfAny(procfs, `${directory}/apparmor`) !== undefined,
  }
}

/** Path of the file below the procfs that takes a label. */
export function labelFile({ module }: LabelPlan, { directory, hasModules }: Labelling): string {
  return module === 'apparmor' && hasModules ? `${directory}/apparmor/exec` : `${directory}/exec`
}
