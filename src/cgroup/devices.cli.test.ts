/** Which devices a container can use: tried from inside, whatever the version of cgroups. */
import { execFileSync } from 'node:child_process'
import { readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { LinuxDeviceCgroup } from '../../spec/generated/config.ts'
import { runner, type TestSpec, withBundle } from '../testing/bundle.ts'
import { cgroupsNamed, cgroupsOf } from '../testing/kernel.ts'
import { needs, needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

/**
 * What the rules are tried on: /dev/full opens in every way and does no harm. A node that replaces a
 * default one has no default rule.
 */
const FULL = { type: 'c', major: 1, minor: 7 } as const
const DENY_ALL = { allow: false, access: 'rwm' }

function addNodes(spec: TestSpec): void {
  spec.linux.devices = [{ path: '/dev/full', ...FULL, fileMode: 0o666 }]
}

/** What a shell in the container with these rules can do with the node: `read`, `write`, `both`. */
async function usesOf(t: Test, devices: readonly LinuxDeviceCgroup[]): Promise<string> {
  const run = await runner(t, { configure: addNodes })
  const tries = [
    'if (: < /dev/full) 2> /dev/null; then echo read; fi',
    'if (: > /dev/full) 2> /dev/null; then echo write; fi',
    'if (: <> /dev/full) 2> /dev/null; then echo both; fi',
  ]
  const { code, stdout, stderr } = await run(['sh', '-c', tries.join('\n')], (spec) => {
    spec.linux.resources = { devices: [...devices] }
  })
  t.equal(code, 0, stderr)
  return stdout.trim().split('\n').join(' ')
}

t.test('a device that no rule allows cannot be opened', { skip }, async (t) => {
  const run = await runner(t, { configure: addNodes })
  t.match(await run(['sh', '-c', ': < /dev/full']), {
    code: 1,
    stderr: /can't open \/dev\/full: Operation not permitted/,
  })
  t.equal(await usesOf(t, [DENY_ALL]), '')
})

t.test('rules apply in order and letter by letter (M-080)', { skip }, async (t) => {
  const allow = { allow: true, ...FULL, access: 'rwm' }
  const uses = async (...rules: LinuxDeviceCgroup[]): Promise<string> =>
    usesOf(t, [DENY_ALL, ...rules])
  t.equal(await uses(allow), 'read write both', 'allowed')
  t.equal(await uses({ ...allow, access: 'r' }), 'read', 'to read only')
  t.equal(await uses({ ...allow, access: 'w' }), 'write', 'to write only')
  t.equal(await uses(allow, { ...FULL, allow: false, access: 'rwm' }), '', 'denied after all')
  t.equal(await uses(allow, { ...FULL, allow: false, access: 'm' }), 'read write both', 'but m')
  t.equal(await uses(allow, { ...FULL, allow: false, access: 'w' }), 'read', 'but w')
  t.equal(await uses({ ...FULL, allow: false, access: 'rwm' }, allow), 'read write both', 'last')
  t.equal(await uses(allow, DENY_ALL), '', 'everything denied after it')
})

t.test('rules with wildcards', { skip }, async (t) => {
  const any = { allow: true, type: 'c', access: 'rw' }
  t.equal(await usesOf(t, [{ ...any, major: 1 }]), 'read write both', 'any minor number')
  t.equal(await usesOf(t, [{ ...any, minor: 7 }]), 'read write both', 'any major number')
  t.equal(await usesOf(t, [any]), 'read write both', 'any number')
  t.equal(await usesOf(t, [{ ...any, type: 'b' }]), '', 'of the other type')
  t.equal(await usesOf(t, [{ ...any, major: 2 }]), '', 'of another major number')
  t.equal(await usesOf(t, [{ allow: true, access: 'rwm' }]), 'read write both', 'of any type')
  t.equal(
    await usesOf(t, [
      { ...any, major: 1, access: 'r' },
      { ...any, ...FULL, access: 'w' },
    ]),
    'read write both',
    'what two rules allow together',
  )
})

t.test('a list of what is denied', { skip }, async (t) => {
  const all = { allow: true, access: 'rwm' }
  t.equal(await usesOf(t, [all, { ...FULL, allow: false, access: 'rwm' }]), '')
  t.equal(await usesOf(t, [all, { ...FULL, allow: false, access: 'w' }]), 'read')
  t.equal(await usesOf(t, [all, { allow: false, type: 'c', access: 'rw' }]), '')
  t.equal(
    await usesOf(t, [all, { ...FULL, allow: false, minor: 12, access: 'rw' }]),
    'read write both',
  )
})

t.test('the default devices can be used, whatever is denied', { skip }, async (t) => {
  const run = await runner(t)
  const script = [
    'for name in null zero full random urandom; do head -c 1 /dev/$name > /dev/null || exit 1; done',
    'echo x > /dev/null && echo x > /dev/zero',
    'mknod /tmp/any b 8 0 && mknod /tmp/null c 1 3 && echo x > /tmp/null',
    'if (: < /tmp/any) 2> /dev/null; then exit 2; fi',
  ]
  const outcome = await run(['sh', '-ec', script.join('\n')], (spec) => {
    spec.mounts.push({ destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['dev'] })
    for (const set of Object.values(spec.process.capabilities ?? {})) set.push('CAP_MKNOD')
    spec.linux.resources = {
      devices: [DENY_ALL, { allow: false, type: 'c', major: 1, access: 'rwm' }],
    }
  })
  t.same(outcome, { code: 0, stdout: '', stderr: '' })
})

t.test('a default device that linux.devices replaces is not allowed', { skip }, async (t) => {
  const run = await runner(t)
  const outcome = await run(['sh', '-c', ': < /dev/zero && : < /dev/full'], (spec) => {
    spec.linux.devices = [{ path: '/dev/full', type: 'c', major: 1, minor: 7, fileMode: 0o666 }]
  })
  t.match(outcome, { code: 1, stderr: /\/dev\/full: Operation not permitted/ })
})

t.test('rules that say nothing sensible are refused, with their place', { skip }, async (t) => {
  const run = await runner(t)
  const refused = async (rule: LinuxDeviceCgroup, words: RegExp): Promise<void> => {
    const outcome = await run(['true'], (spec) => {
      spec.linux.resources = { devices: [DENY_ALL, rule] }
    })
    t.match(outcome, { code: 1, stdout: '', stderr: words })
    t.match(outcome.stderr, /config\.json:\d+:\d+/)
  }
  await refused({ allow: true }, /device access at 1 field cannot be empty/)
  await refused({ ...FULL, allow: true, access: 'rx' }, /invalid device access .*rx/)
  await refused({ allow: true, type: 'q', access: 'r' }, /invalid cgroup device type .*q/)
  await refused({ allow: true, type: 'c', major: -7, access: 'r' }, /invalid device number -7/)
  await refused({ allow: true, type: 'c', major: 4294967295, access: 'r' }, /invalid device number/)
})

t.test(
  'a hole in a wildcard is no rule of cgroup v1',
  { skip: skip || needs('cgroup v1') },
  async (t) => {
    const run = await runner(t)
    const outcome = await run(['true'], (spec) => {
      spec.linux.resources = {
        devices: [
          { allow: true, type: 'c', major: 1, access: 'rw' },
          { allow: false, type: 'c', major: 1, minor: 11, access: 'w' },
        ],
      }
    })
    t.match(outcome, { code: 1, stderr: /deny c 1:11 w.* makes a hole .*config\.json:\d+:\d+/ })
  },
)

t.test('cgroup v2 takes a hole in a wildcard', { skip: skip || needs('cgroup v2') }, async (t) => {
  const rules = [
    { allow: true, type: 'c', major: 1, access: 'rw' },
    { ...FULL, allow: false, access: 'w' },
  ]
  t.equal(await usesOf(t, rules), 'read')
})

t.test(
  'a rule that the parent cgroup does not allow is named',
  { skip: skip || needs('cgroup v1') },
  async (t) => {
    const b = await withBundle(t)
    const name = `tsrun-test-parent-${process.pid}`
    const parent = join('/sys/fs/cgroup/devices', name)
    const sh = (script: string): unknown => execFileSync('sh', ['-ec', script])
    sh(`mkdir ${parent} && echo 'c 1:11 rw' > ${parent}/devices.deny`)
    // the other hierarchies have got it with the container
    t.teardown(() => {
      for (const path of cgroupsNamed(name)) rmdirSync(path)
    })
    b.reconfigure((spec) => {
      spec.linux.cgroupsPath = `/${name}/${b.id}`
      spec.linux.resources = {
        devices: [DENY_ALL, { allow: true, type: 'c', major: 1, minor: 11, access: 'r' }],
      }
    })
    t.match(await b.tsrun('create', b.id), {
      code: 1,
      stderr:
        /allow c 1:11 r.*: write .*: operation not permitted, as the parent .*config\.json:\d+:\d+/,
    })
    b.reconfigure((spec) => {
      spec.linux.cgroupsPath = `/${name}/${b.id}`
    })
    t.match(await b.tsrun('create', b.id), { code: 0, stderr: '' })
    const { pid } = await b.state()
    const list = readFileSync(`/sys/fs/cgroup/devices${cgroupsOf(pid).get('devices')}/devices.list`)
    t.match(String(list), /^c 1:3 rwm$/m)
    t.notMatch(String(list), /^a |1:11/m)
    t.match(await b.tsrun('delete', '--force', b.id), { code: 0, stderr: '' })
  },
)
