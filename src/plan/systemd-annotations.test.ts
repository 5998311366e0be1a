import t from 'tap'
import { planAnnotatedProperties } from './systemd-annotations.ts'

const PREFIX = 'org.systemd.property.'

function found(name: string, text: string): unknown {
  return planAnnotatedProperties({ [PREFIX + name]: text })[0]
}

t.test('planAnnotatedProperties() takes what begins with its prefix', (t) => {
  t.same(planAnnotatedProperties(undefined), [])
  t.same(planAnnotatedProperties({ other: 'x', 'org.systemd.propertyX': 'x' }), [])
  t.same(
    planAnnotatedProperties({
      [`${PREFIX}KillMode`]: "'mixed'",
      other: '1',
      [`${PREFIX}SendSIGHUP`]: 'true',
    }),
    [
      { name: 'KillMode', signature: 's', value: 'mixed' },
      { name: 'SendSIGHUP', signature: 'b', value: true },
    ],
  )
  t.end()
})

t.test('planAnnotatedProperties() knows the types of properties', (t) => {
  for (const [name, text, signature, value] of [
    ['TimeoutStopUSec', 'uint64 123456789', 't', 123_456_789n],
    ['TimeoutStopUSec', '5', 't', 5n],
    ['KillSignal', '15', 'i', 15],
    ['CollectMode', "'inactive-or-failed'", 's', 'inactive-or-failed'],
    ['After', "['a.service','b.service']", 'as', ['a.service', 'b.service']],
    ['DefaultDependencies', 'true', 'b', true],
    ['MemoryMax', '5', 't', 5n],
    ['IOReadBandwidthMax', "[('/dev/vda', 5)]", 'a(st)', [['/dev/vda', 5n]]],
  ] as const) {
    t.same(found(name, text), { name, signature, value }, name)
  }
  t.end()
})

t.test('planAnnotatedProperties() makes microseconds of seconds', (t) => {
  for (const [text, value] of [
    ['7', 7_000_000n],
    ['uint64 7', 7_000_000n],
    ['1.5', 1_500_000n],
    ['byte 1', 1_000_000n],
    ['0', 0n],
  ] as const) {
    t.same(found('RuntimeMaxSec', text), { name: 'RuntimeMaxUSec', signature: 't', value }, text)
  }
  t.end()
})

t.test('planAnnotatedProperties() refuses names and values that are none', (t) => {
  for (const [name, text, message] of [
    ['', '1', `annotation ${PREFIX} name incorrect: too short`],
    ['Ab', '1', `annotation ${PREFIX}Ab name incorrect: too short`],
    ['Kill1', '1', `annotation ${PREFIX}Kill1 name incorrect: contains non-alphabetic character`],
    ['Kill Mode', '1', /name incorrect: contains non-alphabetic character$/],
    [
      'KillMode',
      'mixed',
      `annotation ${PREFIX}KillMode=mixed value parse error: unknown word "mixed"`,
    ],
    ['KillMode', '5', /^annotation org.systemd.property.KillMode=5 value parse error: /],
    ['TimeoutStopSec', "'5'", /TimeoutStopSec='5' value parse error: not a number$/],
    ['TimeoutStopSec', '-1', /value parse error: number -1 is out of range$/],
    ['TimeoutStopSec', '1e300', /value parse error: number 1e\+300 is out of range$/],
    ['TimeoutStopSec', '1e999', /value parse error: /],
  ] as const) {
    const pointer = `/annotations/${PREFIX}${name}`
    t.throws(() => found(name, text), { name: 'SpecError', message, pointer }, `${name}=${text}`)
  }
  t.end()
})

// T-21
t.test('planAnnotatedProperties() refuses what could act on the host', (t) => {
  for (const name of [
    ...['ExecStart', 'ExecStartPre', 'ExecStop', 'ExecStopPost', 'ExecReload', 'BPFProgram'],
    ...['Requires', 'Requisite', 'Wants', 'BindsTo', 'PartOf', 'Upholds', 'Conflicts', 'OnFailure'],
    ...['OnSuccess', 'PropagatesStopTo', 'RequiresMountsFor', 'JoinsNamespaceOf'],
    ...['FailureAction', 'SuccessAction', 'JobTimeoutAction', 'StartLimitAction', 'RebootArgument'],
    ...['Slice', 'PIDs', 'Delegate', 'DelegateSubgroup', 'DisableControllers', 'Controller'],
    ...['User', 'Group', 'DevicePolicy', 'DeviceAllow', 'RefuseManualStop', 'MemoryMin'],
    ...['MemoryLow', 'ManagedOOMPreference', 'SurviveFinalKillSignal', 'killmode', 'toString'],
    ...['constructor', 'ExecStopSec'],
  ]) {
    t.throws(
      () => found(name, "'x'"),
      {
        name: 'SpecError',
        message: `annotation ${PREFIX}${name} refused: ${name} is not on the list of properties that may be set`,
      },
      name,
    )
  }
  t.end()
})
