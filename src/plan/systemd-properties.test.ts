import t from 'tap'
import { lastOfEach, planUnitProperties, word } from './systemd-properties.ts'
import { planSystemdUnit } from './systemd-unit.ts'

const scope = planSystemdUnit('a-b.slice:p:n', 'c')
const V2 = { cgroupVersion: 2, systemdVersion: 255 } as const

t.test('planUnitProperties() makes a scope', (t) => {
  const flag = (name: string, value: boolean): object => ({ name, signature: 'b', value })
  const expected = (io: string): object[] => [
    word('Description', 'libcontainer container n'),
    word('Slice', 'a-b.slice'),
    flag('Delegate', true),
    flag('MemoryAccounting', true),
    flag('CPUAccounting', true),
    flag(io, true),
    flag('TasksAccounting', true),
    flag('DefaultDependencies', false),
  ]
  t.same(planUnitProperties(scope, V2), expected('IOAccounting'))
  const V1 = { ...V2, cgroupVersion: 1 } as const
  t.same(planUnitProperties(scope, V1), expected('BlockIOAccounting'))
  t.end()
})

t.test('planUnitProperties() makes a slice, which is in another by its name', (t) => {
  const slice = planSystemdUnit('a.slice:p:a-b.slice', 'c')
  const names = new Map(planUnitProperties(slice, V2).map((p) => [p.name, p]))
  t.same(names.get('Wants'), { name: 'Wants', signature: 'as', value: ['a.slice'] })
  t.notOk(names.has('Slice') || names.has('Delegate'))
  t.end()
})

t.test('planUnitProperties() turns memory.oom.group into a policy (systemd 253)', (t) => {
  const policy = (systemdVersion: number, text: string): unknown =>
    planUnitProperties(scope, { ...V2, systemdVersion }, [], { 'memory.oom.group': text }).find(
      ({ name }) => name === 'OOMPolicy',
    )?.value
  t.equal(policy(253, '1'), 'kill')
  t.equal(policy(253, ' 0\n'), 'continue')
  t.equal(policy(253, '2'), undefined)
  t.equal(policy(252, '1'), undefined)
  t.end()
})

t.test('planUnitProperties() lets annotations win', (t) => {
  const found = planUnitProperties(scope, V2, [word('Description', 'mine'), word('KillMode', 'x')])
  t.match(found, [word('Description', 'mine')])
  t.same(found.at(-1), word('KillMode', 'x'))
  t.end()
})

t.test('lastOfEach() keeps the last of a name', (t) => {
  t.same(lastOfEach([word('A', '1'), word('B', '2'), word('A', '3')]), [
    word('A', '3'),
    word('B', '2'),
  ])
  t.end()
})
