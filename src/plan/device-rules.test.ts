import t from 'tap'
import { deviceRuleText, planDeviceRules } from './device-rules.ts'

t.test('planDeviceRules() puts the default rules after the configured ones', async (t) => {
  const rules = planDeviceRules({
    ociVersion: '1.0.0',
    linux: {
      resources: {
        devices: [
          { allow: false, access: 'rwm' },
          { allow: true, type: 'c', major: 10, minor: 229, access: 'rw' },
        ],
      },
    },
  })
  t.same(rules.slice(0, 2), [
    {
      allow: false,
      type: 'a',
      major: -1,
      minor: -1,
      access: 'rwm',
      pointer: '/linux/resources/devices/0',
    },
    {
      allow: true,
      type: 'c',
      major: 10,
      minor: 229,
      access: 'rw',
      pointer: '/linux/resources/devices/1',
    },
  ])
  t.same(rules.slice(2).map(deviceRuleText), [
    'c *:* m',
    'b *:* m',
    'c 1:3 rwm',
    'c 1:8 rwm',
    'c 1:7 rwm',
    'c 5:0 rwm',
    'c 1:5 rwm',
    'c 1:9 rwm',
    'c 136:* rwm',
    'c 5:2 rwm',
    'c 10:200 rwm',
  ])
  t.ok(rules.slice(2).every(({ allow, pointer }) => allow && pointer === undefined))
})

t.test('planDeviceRules() drops the rule of a default device that is replaced', async (t) => {
  const rules = planDeviceRules({
    ociVersion: '1.0.0',
    linux: { devices: [{ path: '/dev//full', type: 'c', major: 1, minor: 3 }] },
  })
  t.equal(rules.length, 10)
  t.notOk(rules.map(deviceRuleText).includes('c 1:7 rwm'))
})

t.test('planDeviceRules() refuses numbers that the kernel would misunderstand', async (t) => {
  for (const [major, minor, place] of [
    [-2, 1, 'major'],
    [4294967295, 1, 'major'],
    [1, 18446744073709551615n, 'minor'],
  ] as const) {
    const devices = [{ allow: true, type: 'c', major, minor, access: 'r' }]
    t.throws(() => planDeviceRules({ ociVersion: '1.0.0', linux: { resources: { devices } } }), {
      name: 'SpecError',
      pointer: `/linux/resources/devices/0/${place}`,
    })
  }
})
