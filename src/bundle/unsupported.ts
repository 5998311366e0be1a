/**
 * What a configuration may ask for and this version of tsrun does not do. It is refused: a
 * container that silently lacks its seccomp filter or its memory limit would be worse than none.
 */
import type { LinuxResources } from '../../spec/generated/config.ts'
import type { Check, Report } from './problem.ts'

/** Reports each part of the specification that is not carried out yet. */
export const checkUnsupported: Check = ({ process, hooks, linux, mounts }, report) => {
  const refuse = (pointer: string): void => refusePart(report, pointer)
  if (process?.terminal) refuse('/process/terminal')
  if (process?.apparmorProfile) refuse('/process/apparmorProfile')
  if (process?.selinuxLabel) refuse('/process/selinuxLabel')
  for (const [name, list] of Object.entries(hooks ?? {})) {
    if (Array.isArray(list) && list.length > 0) refuse(`/hooks/${name}`)
  }
  linux?.namespaces?.forEach(({ type }, i) => {
    if (type === 'user') refuse(`/linux/namespaces/${i}`)
  })
  mounts?.forEach((mount, i) => {
    if (mount.uidMappings || mount.options?.some((word) => /^r?idmap$/.test(word))) {
      refuse(`/mounts/${i}`)
    }
  })
  if (linux?.seccomp) refuse('/linux/seccomp')
  if (linux?.mountLabel) refuse('/linux/mountLabel')
  if (linux?.intelRdt) refuse('/linux/intelRdt')
  if (linux?.memoryPolicy) refuse('/linux/memoryPolicy')
  if (Object.keys(linux?.netDevices ?? {}).length > 0) refuse('/linux/netDevices')
  if (linux?.resources) checkResources(linux.resources, refuse)
}

function refusePart(report: Report, pointer: string): void {
  report(
    pointer,
    `${pointer.slice(1).replaceAll('/', '.')} is not supported by this version of tsrun`,
  )
}

/** Device rules are applied; every other resource that is really limited is refused. */
function checkResources(resources: LinuxResources, refuse: (pointer: string) => void): void {
  for (const [name, value] of Object.entries(resources)) {
    if (name !== 'devices' && isAsking(value)) refuse(`/linux/resources/${name}`)
  }
}

/** False for what limits nothing: absent, empty, 0, -1, and objects and lists of such. */
function isAsking(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).some(isAsking)
  return ![undefined, null, '', false, 0, -1].includes(value as undefined)
}
