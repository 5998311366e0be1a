/** The device rules of a cgroup v2: a program that the kernel asks about each access. */
import { messageOf } from '../base/errors.ts'
import { allowsEverything, foldDeviceRules } from '../plan/device-policy.ts'
import { deviceProgram } from '../plan/device-program.ts'
import type { DeviceRule } from '../plan/device-rules.ts'
import {
  ATTACH_TYPE,
  attachedPrograms,
  attachProgram,
  detachProgram,
  loadProgram,
  openProgram,
  PROGRAM_TYPE,
  programName,
} from '../sys/bpf.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { O, open } from '../sys/file.ts'
import { inUserNamespace } from '../sys/user-namespace.ts'

/** By this name programs of tsrun are known from those of others on the same cgroup. */
const NAME = 'tsrun_devices'
const TYPE = ATTACH_TYPE.CGROUP_DEVICE

/**
 * Makes a cgroup follow `rules`, evaluated in order over a first rule that denies all. A program
 * that an earlier call has attached is replaced: at no time is there none, nor are both gone.
 * Programs of others stay, and access is what all of them allow.
 *
 * @param cgroup - a cgroup v2 directory, or its path
 * @returns false if the kernel refused and that is no loss: in a user namespace, where only who may
 *   do much more can load programs, or when the rules forbid nothing
 * @throws {Error} whose message begins with `device rules:`
 */
export function applyDeviceProgram(cgroup: Fd | string, rules: readonly DeviceRule[]): boolean {
  if (typeof cgroup === 'string') {
    using dir = open(undefined, cgroup, O.RDONLY | O.DIRECTORY)
    return applyDeviceProgram(dir, rules)
  }
  const policy = foldDeviceRules(rules)
  try {
    replaceProgram(cgroup, deviceProgram(policy))
    return true
  } catch (cause) {
    if (allowsEverything(policy) || inUserNamespace()) return false
    throw new Error(`device rules: ${messageOf(cause)}`, { cause })
  }
}

function replaceProgram(cgroup: Fd, instructions: Uint8Array): void {
  using program = loadProgram({ type: PROGRAM_TYPE.CGROUP_DEVICE, name: NAME, instructions })
  const former = ownPrograms(cgroup)
  try {
    const [only] = former
    if (only !== undefined && former.length === 1 && tryReplace(cgroup, program, only)) return
    attachProgram(cgroup, program, TYPE)
    for (const fd of former) detachProgram(cgroup, fd, TYPE)
  } finally {
    for (const fd of former) fd.close()
  }
}

/** The programs on the cgroup that tsrun has attached: one, or none. */
function ownPrograms(cgroup: Fd): Fd[] {
  return attachedPrograms(cgroup, TYPE).flatMap((id) => {
    const program = openProgram(id)
    if (program === undefined) return []
    if (programName(program) === NAME) return [program]
    program.close()
    return []
  })
}

/** False before Linux 5.6. */
function tryReplace(cgroup: Fd, program: Fd, former: Fd): boolean {
  try {
    attachProgram(cgroup, program, TYPE, former)
    return true
  } catch (error) {
    if (isErrno(error, E.INVAL)) return false
    throw error
  }
}
