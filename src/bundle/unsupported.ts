/**
 * What a configuration may ask for and this version of tsrun does not do. It is refused: a
 * container that silently lacks its AppArmor profile would be worse than none.
 */
import type { Check, Report } from './problem.ts'

/** Reports each part of the specification that is not carried out yet. */
export const checkUnsupported: Check = ({ linux, mounts }, report) => {
  const refuse = (pointer: string): void => refusePart(report, pointer)
  linux?.namespaces?.forEach(({ type }, i) => {
    if (type === 'user') refuse(`/linux/namespaces/${i}`)
  })
  mounts?.forEach((mount, i) => {
    if (mount.uidMappings || mount.options?.some((word) => /^r?idmap$/.test(word))) {
      refuse(`/mounts/${i}`)
    }
  })
  if (linux?.mountLabel) refuse('/linux/mountLabel')
  if (linux?.memoryPolicy) refuse('/linux/memoryPolicy')
  if (Object.keys(linux?.netDevices ?? {}).length > 0) refuse('/linux/netDevices')
}

function refusePart(report: Report, pointer: string): void {
  report(
    pointer,
    `${pointer.slice(1).replaceAll('/', '.')} is not supported by this version of tsrun`,
  )
}
