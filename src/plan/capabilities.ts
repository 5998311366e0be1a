import type { Capabilities } from '../../spec/generated/config.ts'

/** Capability names in the kernel's order: the index is the number. @see capabilities(7) */
export const CAPABILITIES =
  `CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`.split(
    ' ',
  )

/** What tsrun itself has to do with. */
export const CAP_SYS_PTRACE = 19
export const CAP_SYS_ADMIN = 21

/** The five sets as capability numbers. */
export interface CapabilityPlan {
  readonly bounding: readonly number[]
  readonly effective: readonly number[]
  readonly permitted: readonly number[]
  readonly inheritable: readonly number[]
  readonly ambient: readonly number[]
  /** Names that this kernel or tsrun does not know, sorted: a warning (M-023). */
  readonly unknown: readonly string[]
}

/**
 * Capability names as numbers. An absent object is taken as five empty sets: nothing is kept that
 * the configuration does not grant.
 *
 * @param lastCap - the kernel's highest capability number
 */
export function planCapabilities(spec: Capabilities = {}, lastCap: number): CapabilityPlan {
  const unknown = new Set<string>()
  const numbers = (names: readonly string[] = []): number[] => {
    const known: number[] = []
    for (const name of names) {
      const number = CAPABILITIES.indexOf(name.replace(/^CAP_/, ''))
      if (number < 0 || number > lastCap || !name.startsWith('CAP_')) unknown.add(name)
      else known.push(number)
    }
    return known
  }
  return {
    bounding: numbers(spec.bounding),
    effective: numbers(spec.effective),
    permitted: numbers(spec.permitted),
    inheritable: numbers(spec.inheritable),
    ambient: numbers(spec.ambient),
    unknown: [...unknown].sort(),
  }
}

/** A set as the two 32-bit words of capset(2). */
export function capabilityWords(set: readonly number[]): [number, number] {
  let low = 0
  let high = 0
  for (const number of set) {
    if (number < 32) low |= 1 << number
    else high |= 1 << (number - 32)
  }
  return [low >>> 0, high >>> 0]
}
