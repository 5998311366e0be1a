import type { Spec } from '../../../spec/generated/config.ts'
import { segment } from '../../base/pointer.ts'
import { sysctlPath } from '../../plan/container-plan.ts'
import { namespaceOf, type Report, type SpecFacts } from '../problem.ts'

/** Files of /proc/sys/kernel that belong to the IPC namespace; ipc_namespaces(7). */
const IPC = 'msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced'

/** The components of a key's path below /proc/sys; none if it could leave its directory. */
function componentsOf(key: string): string[] {
  const components = sysctlPath(key).split('/')
  const isSafe = components.every(
    (name) => name !== '' && name !== '.' && name !== '..' && !/[\0\n]/.test(name),
  )
  return isSafe ? components : []
}

/** Only what belongs to a namespace of the container may be set: the rest is the host's. */
export function checkSysctls(spec: Spec, report: Report, facts: SpecFacts): void {
  const sysctls = spec.linux?.sysctl
  for (const key in sysctls) {
    const at = `/linux/sysctl/${segment(key)}`
    const refusal = refusalOf(key, spec, facts)
    if (refusal !== undefined) report(at, refusal)
    if (/[\0\n]/.test(sysctls[key] ?? '')) {
      report(at, `value of sysctl ${JSON.stringify(key)} contains a newline or nul byte`)
    }
  }
}

function refusalOf(key: string, spec: Spec, facts: SpecFacts): string | undefined {
  const shown = JSON.stringify(key)
  const [area, name = '', ...more] = componentsOf(key)
  const isFile = more.length === 0
  if (
    (area === 'kernel' && isFile && IPC.split(' ').includes(name)) ||
    (area === 'fs' && name === 'mqueue' && !isFile)
  ) {
    if (namespaceOf(spec, 'ipc') !== undefined) return undefined
    return `sysctl ${shown} is not allowed in the hosts ipc namespace`
  }
  if (area === 'net' && name !== '') {
    if (namespaceOf(spec, 'network') !== undefined && !facts.joinsHostNetwork) return undefined
    return `sysctl ${shown} not allowed in host network namespace`
  }
  if (area === 'user' && name !== '') {
    if (namespaceOf(spec, 'user') !== undefined) return undefined
    return `setting ucounts without a user namespace not allowed: ${key}`
  }
  if (area === 'kernel' && isFile && namespaceOf(spec, 'uts') !== undefined) {
    if (name === 'domainname') return undefined
    if (name === 'hostname') {
      return `sysctl ${shown} is not allowed as it conflicts with the OCI "hostname" field`
    }
  }
  return `sysctl ${shown} is not in a separate kernel namespace`
}
