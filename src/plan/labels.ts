/** Labels of Linux security modules for the container's process. */
import type { Process } from '../../spec/generated/config.ts'

/** One label, which the process takes on by its last execve. */
export interface LabelPlan {
  readonly module: 'apparmor' | 'selinux'
  /** Where the configuration names it, below the process. */
  readonly member: 'apparmorProfile' | 'selinuxLabel'
  /** What is written: see apparmor(7) "change_onexec" (`exec PROFILE`), selinux(8). */
  readonly value: string
}

/** The labels of a valid process; an empty list if it wants none. */
export function planLabels({ apparmorProfile, selinuxLabel }: Process): LabelPlan[] {
  const labels: LabelPlan[] = []
  if (apparmorProfile) {
    labels.push({
      module: 'apparmor',
      member: 'apparmorProfile',
      value: `exec ${apparmorProfile}`,
    })
  }
  if (selinuxLabel) {
    labels.push({ module: 'selinux', member: 'selinuxLabel', value: selinuxLabel })
  }
  return labels
}
