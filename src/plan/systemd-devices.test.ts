import t from 'tap'
import type { DeviceRule } from './device-rules.ts'
import { planDeviceRules } from './device-rules.ts'
import { planDeviceProperties } from './systemd-devices.ts'

const V1 = { cgroupVersion: 1, systemdVersion: 252 } as const
const V2 = { cgroupVersion: 2, systemdVersion: 252 } as const

function rule(
  allow: boolean,
  type: string,
  major: number,
  minor: number,
  access = 'rwm',
): DeviceRule {
  return { allow, type, major, minor, access }
}

/** The policy, and the list that comes after the empty one. */
function found(rules: readonly DeviceRule[], host: typeof V1 | typeof V2, procDevices?: string) {
  const { properties, warnings } = planDeviceProperties(rules, host, procDevices)
  const [policy, empty, list] = properties
  return { policy: policy?.value, empty: empty?.value, list: list?.value, warnings }
}

t.test('planDeviceProperties() lists what every container may use', (t) => {
  for (const host of [V1, V2]) {
    const { policy, empty, list, warnings } = found(planDeviceRules({ ociVersion: '1.0.0' }), host)
    t.equal(policy, 'strict')
    t.same(empty, [])
    t.same(warnings, [])
    t.same(
      new Set((list as string[][]).map((entry) => entry.join(' '))),
      new Set([
        'char-* m',
        'block-* m',
        '/dev/char/1:3 rwm',
        '/dev/char/1:8 rwm',
        '/dev/char/1:7 rwm',
        '/dev/char/5:0 rwm',
        '/dev/char/1:5 rwm',
        '/dev/char/1:9 rwm',
        'char-136 rwm',
        '/dev/char/5:2 rwm',
        '/dev/char/10:200 rwm',
      ]),
    )
  }
  t.end()
})

t.test('planDeviceProperties() applies no policy where all is allowed', (t) => {
  for (const host of [V1, V2]) {
    t.same(found([rule(true, 'a', -1, -1)], host), {
      policy: 'auto',
      empty: [],
      list: undefined,
      warnings: [],
    })
  }
  t.end()
})

t.test('planDeviceProperties() denies everything without a rule', (t) => {
  t.same(found([], V2), { policy: 'strict', empty: [], list: undefined, warnings: [] })
  t.end()
})

t.test(
  'planDeviceProperties() forgets what a later rule denies, and lists too much for holes',
  (t) => {
    const rules = [
      rule(true, 'b', 8, 1),
      rule(true, 'c', 1, 3),
      rule(false, 'b', 8, -1),
      rule(true, 'c', 4, -1),
      rule(false, 'c', 4, 64),
    ]
    t.same(found(rules, V2).list, [
      ['/dev/char/1:3', 'rwm'],
      ['char-4', 'rwm'],
    ])
    t.end()
  },
)

const DENY_LIST = [rule(true, 'a', -1, -1), rule(false, 'c', 1, 3)]

t.test('planDeviceProperties() warns of a list of denied devices', (t) => {
  const warnings = [
    "systemd doesn't support blacklist device rules -- applying temporary deny-all rule",
  ]
  t.same(found(DENY_LIST, V1), { policy: 'strict', empty: [], list: undefined, warnings })
  // its program would stay
  t.match(found(DENY_LIST, V2), { policy: 'auto', empty: [], list: undefined })
  t.end()
})

t.test('planDeviceProperties() warns of a minor number of all majors', (t) => {
  const warnings = [
    "systemd doesn't support '*:n' device rules -- temporarily ignoring rule: c *:3 rw",
  ]
  const rules = [rule(true, 'c', -1, 3, 'rw'), rule(true, 'c', 1, 5)]
  t.same(found(rules, V1), {
    policy: 'strict',
    empty: [],
    list: [['/dev/char/1:5', 'rwm']],
    warnings,
  })
  t.match(found(rules, V2), { policy: 'auto', list: undefined })
  t.end()
})

t.test('planDeviceProperties() names groups for systemd before 240', (t) => {
  const procDevices =
    'Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  7 loop\n136 other\n'
  const old = { ...V1, systemdVersion: 239 } as unknown as typeof V1
  const rules = [rule(true, 'c', 136, -1), rule(true, 'b', 7, -1), rule(true, 'b', 9, -1, 'r')]
  t.match(found(rules, old, procDevices), {
    list: [
      ['char-pts', 'rwm'],
      ['block-loop', 'rwm'],
    ],
    warnings: [
      "could not find device group for 'b/9' in /proc/devices -- temporarily ignoring rule: b 9:* r",
    ],
  })
  t.end()
})
