import t from 'tap'
import type { Spec } from '../../spec/generated/config.ts'
import {
  type ContainerPlan,
  type PlanOptions,
  planContainer,
  sysctlPath,
} from './container-plan.ts'
import { deepFreeze, FACTS, minimalSpec } from './testing.ts'

const OPTIONS: PlanOptions = deepFreeze({
  id: 'c1',
  bundle: '/bundle',
  noPivot: false,
  noNewKeyring: false,
  cgroups: { driver: 'cgroupfs' },
})

const FULL: Spec = minimalSpec({
  root: { path: 'rootfs', readonly: true },
  hostname: 'h',
  domainname: 'd',
  process: { cwd: '/work', args: ['true'], oomScoreAdj: 100 },
  mounts: [
    { destination: '/proc', type: 'proc' },
    { destination: '/data', source: 'volume', options: ['bind'] },
    { destination: '/dev', type: 'tmpfs', options: ['ro'] },
  ],
  linux: {
    namespaces: [{ type: 'mount' }, { type: 'network' }],
    rootfsPropagation: 'shared',
    sysctl: { 'net.ipv4.ip_forward': '1' },
    readonlyPaths: ['/proc/sys'],
    maskedPaths: ['/proc/kcore', '/proc//kcore', '/proc/keys'],
  },
})

function ops({ steps }: ContainerPlan): string[] {
  return steps.map(({ op }) => op)
}

t.test('planContainer() has the steps in the order that runc has them', async (t) => {
  t.same(ops(planContainer(FULL, FACTS, OPTIONS)), [
    'oomScoreAdj',
    'sessionKeyring',
    'loopback',
    'rootfs',
    ...['mount', 'mount', 'mount'],
    ...Array(6).fill('device'),
    'deviceLinks',
    'enterRoot',
    'standardStreams',
    'createWorkingDirectory',
    'readonlyMount',
    'readonlyRoot',
    'hostname',
    'domainname',
    'sysctl',
    'readonlyPath',
    'maskedPath',
    'maskedPath',
    // an unbindable root could not be bound by the two before
    'rootPropagation',
  ])
})

t.test('planContainer() leaves out what nobody asked for', async (t) => {
  const spec = minimalSpec({ mounts: [] })
  const plan = planContainer(spec, FACTS, { ...OPTIONS, noNewKeyring: true })
  t.same(
    ops(plan).filter((op) => op !== 'device'),
    ['rootfs', 'deviceLinks', 'enterRoot', 'standardStreams', 'createWorkingDirectory'],
  )
})

t.test('planContainer(): a terminal takes the place of the standard streams', async (t) => {
  const process = { ...minimalSpec().process, cwd: '/', terminal: true }
  const own = [{ type: 'mount' as const }]
  const stepOf = (namespaces: typeof own) =>
    planContainer(minimalSpec({ process, linux: { namespaces } }), FACTS, OPTIONS).steps.filter(
      ({ op }) => op === 'console' || op === 'standardStreams',
    )
  const step = { op: 'console', pointer: '/process/terminal' }
  t.same(stepOf(own), [{ ...step, isBound: true }])
  t.same(stepOf([]), [{ ...step, isBound: false }], "the mounts are the host's")
})

t.test(
  'planContainer() is pure: it changes no input, and the same input gives the same',
  async (t) => {
    const spec = deepFreeze(structuredClone(FULL))
    const plan = deepFreeze(planContainer(spec, FACTS, OPTIONS))
    t.strictSame(planContainer(spec, FACTS, OPTIONS), plan)
    t.strictSame(spec, FULL)
    t.strictSame(JSON.parse(JSON.stringify(plan)).steps.length, plan.steps.length)
  },
)

t.test('planContainer() takes relative paths from the bundle', async (t) => {
  const plan = planContainer(FULL, FACTS, OPTIONS)
  t.equal(plan.rootfs, '/bundle/rootfs')
  t.match(
    plan.steps.find((step) => step.op === 'mount' && step.kind === 'bind'),
    { source: '/bundle/volume', destination: '/data' },
  )
  const absolute = planContainer(minimalSpec({ root: { path: '/r//x/' } }), FACTS, OPTIONS)
  t.equal(absolute.rootfs, '/r/x')
})

t.test('planContainer() enters the root by pivot_root, move or chroot', async (t) => {
  const how = (spec: Spec, noPivot: boolean): unknown => {
    const { steps } = planContainer(spec, FACTS, { ...OPTIONS, noPivot })
    return steps.find(({ op }) => op === 'enterRoot')
  }
  t.match(how(FULL, false), { how: 'pivot', masks: true })
  t.match(how(FULL, true), { how: 'move' })
  const shared = minimalSpec({ linux: { namespaces: [{ type: 'pid' }] } })
  t.match(how(shared, false), { how: 'chroot', masks: false })
})

t.test(
  'planContainer() sets the propagation of the new root for shared and unbindable',
  async (t) => {
    const later = (rootfsPropagation: string): boolean => {
      const linux = { namespaces: [{ type: 'mount' }], rootfsPropagation }
      const spec = minimalSpec({ linux: linux as NonNullable<Spec['linux']> })
      return ops(planContainer(spec, FACTS, OPTIONS)).includes('rootPropagation')
    }
    for (const word of ['shared', 'rshared', 'unbindable', 'runbindable']) t.ok(later(word), word)
    for (const word of ['slave', 'rslave', 'private', 'rprivate']) t.notOk(later(word), word)
  },
)

t.test('planContainer() masks each path once', async (t) => {
  const { steps } = planContainer(FULL, FACTS, OPTIONS)
  const masked = steps.flatMap((step) => (step.op === 'maskedPath' ? [step.path] : []))
  t.same(masked, ['/proc/kcore', '/proc/keys'])
})

t.test('sysctlPath() reads both notations', async (t) => {
  t.equal(sysctlPath('net.ipv4.ip_forward'), 'net/ipv4/ip_forward')
  t.equal(sysctlPath('net/ipv4/conf/eth0.100/rp_filter'), 'net/ipv4/conf/eth0.100/rp_filter')
  t.equal(sysctlPath('net.ipv4.conf.eth0/100.rp_filter'), 'net/ipv4/conf/eth0.100/rp_filter')
  t.equal(sysctlPath('kernel/sem'), 'kernel/sem')
})
