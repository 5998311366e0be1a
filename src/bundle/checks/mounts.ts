import type { Mount, Spec } from '../../../spec/generated/config.ts'
import type { Pointer } from '../../base/errors.ts'
import { type MountOptions, parseMountOptions } from '../../plan/mount-options.ts'
import { namespaceOf, type Report, type SpecFacts } from '../problem.ts'

/** Checks each mount, in the order in which they will be made. */
export function checkMounts(spec: Spec, report: Report, facts: SpecFacts): void {
  spec.mounts?.forEach((mount, index) => {
    const at = `/mounts/${index}`
    checkStrings(mount, at, report)
    if (facts.isRootless) checkOwnerOptions(mount, at, spec, report)
    // most mounts are neither, and sorting their options takes a while in a process this young
    if (!isBindOrMapped(mount)) return
    const options = parseMountOptions(mount.options)
    if (options.bind && options.data.length > 0) {
      report(`${at}/options`, 'bind mounts cannot have any filesystem-specific options applied')
    }
    checkIdMapping(mount, options, at, spec, report, facts)
  })
}

function isBindOrMapped({ options, uidMappings, gidMappings }: Mount): boolean {
  if (uidMappings !== undefined || gidMappings !== undefined) return true
  if (options === undefined) return false
  for (const word of options) {
    if (word === 'bind' || word === 'rbind' || word === 'idmap' || word === 'ridmap') return true
  }
  return false
}

function checkStrings(mount: Mount, at: Pointer, report: Report): void {
  const { destination, type = '', source = '', options = [] } = mount
  if (!destination.startsWith('/')) {
    const shown = JSON.stringify(destination)
    report(`${at}/destination`, `mount destination ${shown} is relative, taken from /`, 'warning')
  }
  let hasNul = destination.includes('\0') || type.includes('\0') || source.includes('\0')
  for (const word of options) if (word.includes('\0')) hasNul = true
  if (hasNul) report(at, 'mount field contains null byte')
}

function checkIdMapping(
  mount: Mount,
  options: MountOptions,
  at: Pointer,
  spec: Spec,
  report: Report,
  facts: SpecFacts,
): void {
  const uids = mount.uidMappings?.length ?? 0
  const gids = mount.gidMappings?.length ?? 0
  if (options.idmap === undefined && uids === 0 && gids === 0) return
  if (!options.bind) report(at, 'id-mapped mounts are only supported for bind-mounts')
  if (facts.isRootless) {
    report(at, 'id-mapped mounts are not supported for rootless containers')
  }
  if ((uids === 0) !== (gids === 0)) {
    report(at, 'id-mapped mounts must have both uid and gid mappings specified')
  }
  if (uids === 0 && gids === 0 && namespaceOf(spec, 'user') === undefined) {
    report(
      `${at}/options`,
      `option ${options.idmap} needs mappings of the mount or a user namespace of the container`,
    )
  }
}

/** An unprivileged caller can only name owners that its user namespace has. */
function checkOwnerOptions(mount: Mount, at: Pointer, spec: Spec, report: Report): void {
  mount.options?.forEach((option, index) => {
    const [, name, digits] = /^(uid|gid)=(\d+)$/.exec(option) ?? []
    if (name === undefined) return
    const id = Number(digits)
    const mappings = (name === 'uid' ? spec.linux?.uidMappings : spec.linux?.gidMappings) ?? []
    const isMapped = mappings.some(
      ({ containerID, size }) => id >= containerID && id < containerID + size,
    )
    if (isMapped || mappings.length === 0) return
    report(
      `${at}/options/${index}`,
      `cannot specify ${option} mount option for rootless container: ${name} ${id} is not mapped`,
    )
  })
}
