/** For tests only: random device rules, and what they mean, evaluated one by one. */
import { accessBits, type DeviceType } from './device-policy.ts'
import type { DeviceRule } from './device-rules.ts'

/** Numbers that follow from `seed`: 0 to below `limit`. @see xorshift32 */
export function randomNumbers(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

/** A device, and what a process wants of it. */
export interface DeviceRequest {
  readonly type: DeviceType
  readonly major: number
  readonly minor: number
  /** `ACCESS` bits, at least one. */
  readonly access: number
}

const LETTERS = ['r', 'w', 'm', 'rw', 'rm', 'wm', 'rwm']

/** A list of rules about few numbers, so that they meet. */
export function randomRules(random: (limit: number) => number): DeviceRule[] {
  return Array.from({ length: random(9) }, () => ({
    allow: random(2) === 0,
    type: 'abcc'.charAt(random(4)),
    major: random(4) - 1,
    minor: random(4) - 1,
    access: LETTERS[random(LETTERS.length)] ?? 'rwm',
  }))
}

/** Every request for a device that rules of `randomRules` can be about, and for one that not. */
export function everyRequest(): DeviceRequest[] {
  const requests: DeviceRequest[] = []
  for (const type of ['b', 'c'] as const) {
    for (let major = 0; major < 4; major++) {
      for (let minor = 0; minor < 4; minor++) {
        for (let access = 1; access < 8; access++) requests.push({ type, major, minor, access })
      }
    }
  }
  return requests
}

/** True if, for each wanted bit, the last rule about it allows it. */
export function evaluate(rules: readonly DeviceRule[], request: DeviceRequest): boolean {
  const bits = [1, 2, 4].filter((bit) => (request.access & bit) !== 0)
  return bits.every((bit) => {
    const last = rules.findLast(
      (rule) => (accessBits(rule.access) & bit) !== 0 && isAbout(rule, request),
    )
    return last?.allow === true
  })
}

/** True if a rule's type and numbers are those of a device. */
export function isAbout(
  rule: Pick<DeviceRule, 'type' | 'major' | 'minor'>,
  { type, major, minor }: DeviceRequest,
): boolean {
  return (
    (rule.type === 'a' || rule.type === type) &&
    (rule.major === -1 || rule.major === major) &&
    (rule.minor === -1 || rule.minor === minor)
  )
}

/** A rule as it is written: `allow c 1:* rw`. */
export function rule(text: string): DeviceRule {
  const [verb = '', type = '', numbers = '', access = ''] = text.split(' ')
  const [major, minor] = numbers.split(':').map((word) => (word === '*' ? -1 : Number(word)))
  return { allow: verb === 'allow', type, major: major ?? -1, minor: minor ?? -1, access }
}
