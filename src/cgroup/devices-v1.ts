/** The device controller of cgroup v1. @see the kernel's admin-guide/cgroup-v1/devices */
import { messageOf, StepError } from '../base/errors.ts'
import type { CgroupPlan } from '../plan/cgroup.ts'
import type { DeviceRule } from '../plan/device-rules.ts'
import { type DeviceWrite, planDeviceWrites, ruleText } from '../plan/device-writes.ts'
import { check, isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { O, open } from '../sys/file.ts'
import { str } from '../sys/memory.ts'
import { NR } from '../sys/numbers.ts'
import { inUserNamespace } from '../sys/user-namespace.ts'

/**
 * Makes the container's new cgroup follow `rules`, evaluated in order over a first rule that denies
 * all (M-080); nothing without the controller, nor in a user namespace that may not change it.
 *
 * @throws {SpecError} for rules that cgroup v1 cannot express
 * @throws {StepError} at the rule that the kernel refuses: a parent cgroup does not allow it
 */
export function applyDeviceRules(plan: CgroupPlan, rules: readonly DeviceRule[]): void {
  const cgroup = plan.paths.find(({ controllers }) => controllers.split(',').includes('devices'))
  if (cgroup === undefined) return
  const writes = planDeviceWrites(rules)
  try {
    using allow = open(undefined, `${cgroup.path}/devices.allow`, O.WRONLY)
    using deny = open(undefined, `${cgroup.path}/devices.deny`, O.WRONLY)
    for (const write of writes) {
      writeRule(write.file === 'devices.allow' ? allow : deny, write)
    }
  } catch (error) {
    const cause = error instanceof StepError ? error.cause : error
    if (isErrno(cause, E.PERM, E.ACCES) && inUserNamespace()) return
    throw error
  }
}

function writeRule(file: Fd, { text, rule }: DeviceWrite): void {
  try {
    check('write', `${text} to ${file.label}`, S(NR.write, file.number, str(text), text.length))
  } catch (cause) {
    const why = isErrno(cause, E.PERM) ? ', as the parent cgroup does not allow it' : ''
    const what = rule === undefined ? 'device rules' : `device rule "${ruleText(rule)}"`
    throw new StepError('deviceRules', rule?.pointer, `${what}: ${messageOf(cause)}${why}`, cause)
  }
}
