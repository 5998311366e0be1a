/** Device rules as what is written to the device controller of cgroup v1. */
import { SpecError } from '../base/errors.ts'
import {
  ACCESS,
  accessBits,
  accessLetters,
  type DeviceEntry,
  type DevicePolicy,
  foldDeviceRules,
} from './device-policy.ts'
import { type DeviceRule, deviceRuleText } from './device-rules.ts'

/** One write to a file of the device controller. */
export interface DeviceWrite {
  readonly file: 'devices.allow' | 'devices.deny'
  /** As the kernel takes it: `a`, `c 1:3 rwm`. */
  readonly text: string
  /** The rule that it comes from; none for the first one, which is about everything. */
  readonly rule: DeviceRule | undefined
}

/**
 * What makes a cgroup without children follow `rules`, evaluated in order over a first rule that
 * denies all, whatever it followed before.
 *
 * @throws {SpecError} for rules that the kernel's list cannot express, at the one that makes it so
 */
export function planDeviceWrites(rules: readonly DeviceRule[]): DeviceWrite[] {
  return plainWrites(rules) ?? policyWrites(foldDeviceRules(rules))
}

const DENY_ALL: DeviceWrite = { file: 'devices.deny', text: 'a', rule: undefined }

/**
 * Rules that only allow are written as they are: folding them takes longer than a few writes. Not
 * where one has just one of reading and writing, for then two may be needed to allow both.
 */
function plainWrites(rules: readonly DeviceRule[]): DeviceWrite[] | undefined {
  const writes = [DENY_ALL]
  for (const rule of rules) {
    const { allow, type, access } = rule
    const isFirst = writes.length === 1
    // what is denied from the start needs no denying
    if (!allow && isFirst) continue
    // of more than three letters the kernel reads three
    if (!allow || type === 'a' || access.length > 3) return undefined
    if (access.includes('r') !== access.includes('w')) return undefined
    writes.push({ file: 'devices.allow', text: deviceRuleText(rule), rule })
  }
  return writes
}

/**
 * The kernel has a default and a list of exceptions from it, all in one direction: with one list
 * nothing is allowed but what a single exception covers, with the other one all that no exception
 * touches. An exception from an exception it does not know; it would ignore it (device_cgroup.c).
 */
function policyWrites(policy: DevicePolicy): DeviceWrite[] {
  const lists = [allowList, denyList]
  // only who was allowed `a` may, in a nested cgroup, be refused no `a` by the parent
  if (policy.every((entry) => !isBroadest(entry) || isAllowedAsWhole(entry))) lists.reverse()
  let hole: DeviceEntry | undefined
  for (const list of lists) {
    const found = list(policy)
    if (Array.isArray(found)) return found
    hole ??= found
  }
  const text = hole?.rule === undefined ? '' : ruleText(hole.rule)
  throw new SpecError(
    `device rule ${JSON.stringify(text)} makes a hole in another one, which cgroup v1 cannot express`,
    hole?.rule?.pointer ?? '/linux/resources/devices',
  )
}

/** How messages call a rule. */
export function ruleText(rule: DeviceRule): string {
  return `${rule.allow ? 'allow' : 'deny'} ${deviceRuleText(rule)}`
}

function isBroadest({ major, minor }: DeviceEntry): boolean {
  return major < 0 && minor < 0
}

function isAllowedAsWhole({ access, rule }: DeviceEntry): boolean {
  return access === ACCESS.ALL && rule?.type === 'a'
}

/** Denies all, then allows; or the entry that allows less than a broader one. */
function allowList(policy: DevicePolicy): DeviceWrite[] | DeviceEntry {
  return listOf(policy, {
    default: 'devices.deny',
    exceptions: 'devices.allow',
    bitsOf: ({ access }) => access,
    isCovered: (bits, broader) => broader.some((other) => (bits & ~other) === 0),
  })
}

/** Allows all, then denies; or the entry that denies less than a broader one. */
function denyList(policy: DevicePolicy): DeviceWrite[] | DeviceEntry {
  return listOf(policy, {
    default: 'devices.allow',
    exceptions: 'devices.deny',
    bitsOf: ({ access }) => ACCESS.ALL & ~access,
    isCovered: (bits, broader) => broader.reduce((left, other) => left & ~other, bits) === 0,
  })
}

interface List {
  /** Where `a` is written. */
  readonly default: DeviceWrite['file']
  readonly exceptions: DeviceWrite['file']
  /** What an entry excepts from the default. */
  readonly bitsOf: (entry: DeviceEntry) => number
  /** True if exceptions of these bits make one of `bits` needless. */
  readonly isCovered: (bits: number, broader: readonly number[]) => boolean
}

function listOf(policy: DevicePolicy, list: List): DeviceWrite[] | DeviceEntry {
  const writes: DeviceWrite[] = [{ file: list.default, text: 'a', rule: undefined }]
  // the broad ones first: they are the last of the policy
  for (const entry of policy.toReversed()) {
    const bits = list.bitsOf(entry)
    const broader = policy.filter((other) => covers(other, entry)).map(list.bitsOf)
    if (broader.some((other) => (other & ~bits) !== 0)) return entry
    const written = bits & ~needless(entry, broader)
    if (written === 0 || list.isCovered(written, broader)) continue
    const text = deviceRuleText({ ...entry, access: accessLetters(written) })
    writes.push({ file: list.exceptions, text, rule: entry.rule })
  }
  return writes
}

/**
 * Nobody wants mknod together with reading or writing, so a broader exception is enough for it. A
 * parent cgroup may allow it by such a one only, and then refuses another that has it as well.
 */
function needless({ rule }: DeviceEntry, broader: readonly number[]): number {
  const asked = accessBits(rule?.access ?? '')
  return broader.some((bits) => (bits & ACCESS.MKNOD) !== 0) ? ACCESS.MKNOD & ~asked : 0
}

/** True if `other` is about the devices of `entry` and more. */
function covers(other: DeviceEntry, entry: DeviceEntry): boolean {
  return (
    other !== entry &&
    other.type === entry.type &&
    (other.major < 0 || other.major === entry.major) &&
    (other.minor < 0 || other.minor === entry.minor)
  )
}
