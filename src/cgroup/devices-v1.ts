/** The device controller of cgroup v1. @see the kernel's admin-guide/cgroup-v1/devices */
import type { CgroupPlan } from '../plan/cgroup.ts'
import { type DeviceRule, deviceRuleText } from '../plan/device-rules.ts'
import { check } from '../sys/check.ts'
import { S } from '../sys/ffi.ts'
import { O, open } from '../sys/file.ts'
import { str } from '../sys/memory.ts'
import { NR } from '../sys/numbers.ts'

/** Denies everything, then applies `rules` in order (M-080); nothing without the controller. */
export function applyDeviceRules(plan: CgroupPlan, rules: readonly DeviceRule[]): void {
  const cgroup = plan.paths.find(({ controllers }) => controllers.split(',').includes('devices'))
  if (cgroup === undefined) return
  using allow = open(undefined, `${cgroup.path}/devices.allow`, O.WRONLY)
  using deny = open(undefined, `${cgroup.path}/devices.deny`, O.WRONLY)
  const write = (rule: string, file: typeof allow): void => {
    check('write', `${rule} to ${file.label}`, S(NR.write, file.number, str(rule), rule.length))
  }
  write('a', deny)
  for (const rule of rules) write(deviceRuleText(rule), rule.allow ? allow : deny)
}
