/**
 * What a list of device rules comes to: for each device the access that the last rule about it
 * leaves, bit by bit. Rules of version 1 cgroups and programs of version 2 are both made from it.
 */
import type { DeviceRule } from './device-rules.ts'

/** `BPF_DEVCG_ACC_*` of the kernel's linux/bpf.h. */
export const ACCESS = { MKNOD: 1, READ: 2, WRITE: 4, ALL: 7 } as const

export type DeviceType = 'b' | 'c'

/** What is allowed to devices of one kind, of one number, or of all numbers. */
export interface DeviceEntry {
  readonly type: DeviceType
  /** -1 for any. */
  readonly major: number
  /** -1 for any. */
  readonly minor: number
  /** `ACCESS` bits. */
  readonly access: number
  /** The last rule about just these numbers that changed `access`; else a broader one, or none. */
  readonly rule: DeviceRule | undefined
}

/**
 * Entries without repetition; of those that match a device, the first one counts: one device before
 * a major number, that before a minor number, that before all devices, which end the list.
 */
export type DevicePolicy = readonly DeviceEntry[]

/** Number of values of a device's major and minor number in the kernel. @see linux/kdev_t.h */
const MAJORS = 1 << 12
const MINORS = 1 << 20

type Cell = { -readonly [K in keyof DeviceEntry]: DeviceEntry[K] }

/** By `keyOf`. */
type Cells = Map<number, Cell>

function keyOf(major: number, minor: number): number {
  return (major + 1) * 2 * MINORS + minor + 1
}

/** The bits of access letters. */
export function accessBits(letters: string): number {
  return (
    (letters.includes('m') ? ACCESS.MKNOD : 0) |
    (letters.includes('r') ? ACCESS.READ : 0) |
    (letters.includes('w') ? ACCESS.WRITE : 0)
  )
}

/** Access bits as letters: `rwm`. */
export function accessLetters(bits: number): string {
  return (
    ((bits & ACCESS.READ) !== 0 ? 'r' : '') +
    ((bits & ACCESS.WRITE) !== 0 ? 'w' : '') +
    ((bits & ACCESS.MKNOD) !== 0 ? 'm' : '')
  )
}

/**
 * Applies `rules` in order over a first rule that denies all; later ones override earlier ones.
 * Rules about numbers that no device can have are left out.
 */
export function foldDeviceRules(rules: readonly DeviceRule[]): DevicePolicy {
  const cells = [...foldType('c', rules), ...foldType('b', rules)]
  return cells.sort((one, other) => breadth(one) - breadth(other))
}

function breadth({ major, minor }: DeviceEntry): number {
  return (major < 0 ? 2 : 0) + (minor < 0 ? 1 : 0)
}

/** The access that a policy gives to one device, as `ACCESS` bits. */
export function accessTo(
  policy: DevicePolicy,
  type: DeviceType,
  major: number,
  minor: number,
): number {
  const entry = policy.find(
    (candidate) =>
      candidate.type === type &&
      (candidate.major < 0 || candidate.major === major) &&
      (candidate.minor < 0 || candidate.minor === minor),
  )
  return entry?.access ?? 0
}

/** True if a policy forbids nothing. */
export function allowsEverything(policy: DevicePolicy): boolean {
  return policy.every(({ access }) => access === ACCESS.ALL)
}

function foldType(type: DeviceType, rules: readonly DeviceRule[]): Cell[] {
  const all: Cell = { type, major: -1, minor: -1, access: 0, rule: undefined }
  const cells: Cells = new Map([[keyOf(-1, -1), all]])
  for (const rule of rules) {
    const isMeant = rule.type === 'a' || rule.type === type
    if (isMeant && rule.major < MAJORS && rule.minor < MINORS) applyRule(cells, rule)
  }
  return reduced(cells, all)
}

function applyRule(cells: Cells, rule: DeviceRule): void {
  const { major, minor } = rule
  const bits = accessBits(rule.access)
  const own = cellFor(cells, major, minor)
  if (major < 0 || minor < 0) {
    for (const cell of cells.values()) {
      const isMeant =
        (major < 0 || major === cell.major) && (minor < 0 || minor === cell.minor) && cell !== own
      if (isMeant) change(cell, rule, bits)
    }
  }
  // the last rule about just these numbers is what messages name
  if (change(own, rule, bits)) own.rule = rule
}

function change(cell: Cell, rule: DeviceRule, bits: number): boolean {
  const access = rule.allow ? cell.access | bits : cell.access & ~bits
  if (access === cell.access) return false
  cell.access = access
  cell.rule ??= rule
  return true
}

/**
 * The cell of just these numbers: a new one has the access that counted for them until now. Where a
 * major and a minor number with cells of their own meet, the one device that has both gets one too:
 * from then on neither of the two decides about it.
 */
function cellFor(cells: Cells, major: number, minor: number): Cell {
  const key = keyOf(major, minor)
  const found = cells.get(key)
  if (found !== undefined) return found
  if (major < 0 || minor < 0) {
    for (const cell of [...cells.values()]) {
      if (minor < 0 && cell.major < 0 && cell.minor >= 0) cellFor(cells, major, cell.minor)
      if (major < 0 && cell.minor < 0 && cell.major >= 0) cellFor(cells, cell.major, minor)
    }
  }
  const broader =
    cells.get(keyOf(major, -1)) ?? cells.get(keyOf(-1, minor)) ?? cells.get(keyOf(-1, -1))
  if (broader === undefined) throw new Error('a device policy has an entry for all devices')
  const { type, access, rule } = broader
  const made: Cell = { type, major, minor, access, rule }
  cells.set(key, made)
  return made
}

/** Leaves out what says no more than a broader entry; not where a major and a minor number meet. */
function reduced(cells: Cells, all: Cell): Cell[] {
  for (const [key, cell] of cells) {
    const isLine = cell.major < 0 !== cell.minor < 0
    if (isLine && cell.access === all.access) cells.delete(key)
  }
  return [...cells.values()].filter(({ major, minor, access }) => {
    if (major < 0 || minor < 0) return true
    const row = cells.get(keyOf(major, -1))
    const column = cells.get(keyOf(-1, minor))
    if (row !== undefined && column !== undefined) return true
    return access !== (row ?? column ?? all).access
  })
}
