/** Tried on a cgroup of this host's cgroup v2 hierarchy: hybrid hosts have one, too. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { DeviceRule } from '../plan/device-rules.ts'
import { rule } from '../plan/device-testing.ts'
import {
  ATTACH_TYPE,
  attachedPrograms,
  attachProgram,
  loadProgram,
  openProgram,
  PROGRAM_TYPE,
  programName,
} from '../sys/bpf.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { O, open } from '../sys/file.ts'
import { needs } from '../testing/needs.ts'
import { applyDeviceProgram } from './devices-v2.ts'

const hierarchy = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find((path) =>
  existsSync(`${path}/cgroup.controllers`),
)
const TYPE = ATTACH_TYPE.CGROUP_DEVICE
/** mov r0, 1; exit */
const ALLOW_ALL = Uint8Array.from([0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0])

function load(name: string, instructions = ALLOW_ALL): Fd {
  return loadProgram({ type: PROGRAM_TYPE.CGROUP_DEVICE, name, instructions })
}

function noBpf(): string | false {
  try {
    load('tsrun_test').close()
    return false
  } catch (error) {
    // only what the host forbids or lacks: a program of ours that is refused is a failure
    if (isErrno(error, E.PERM, E.NOSYS)) return `needs bpf(2): ${error.message}`
    throw error
  }
}

const skip =
  needs('root', 'command bash') ||
  (hierarchy === undefined && 'needs a cgroup v2 hierarchy') ||
  noBpf()

let count = 0

/** A cgroup that is removed when the test ends. */
function newCgroup(t: Test): Fd {
  const path = `${hierarchy}/tsrun-test-devices-${process.pid}-${++count}`
  mkdirSync(path)
  const cgroup = open(undefined, path, O.RDONLY | O.DIRECTORY)
  t.teardown(() => {
    cgroup.close()
    rmdirSync(path)
  })
  return cgroup
}

/** What a process in the cgroup can do with /dev/full: `read`, `write`, `both`. */
function uses(cgroup: Fd): string {
  const script = [
    // opened before: /dev/null may be among what is denied
    'exec 2> /dev/null; echo $$ > "$1/cgroup.procs"',
    'if (: < /dev/full); then echo read; fi',
    'if (: > /dev/full); then echo write; fi',
    'if (: <> /dev/full); then echo both; fi',
  ]
  const args = ['-c', script.join('\n'), 'sh', cgroup.label]
  return execFileSync('/bin/sh', args, { encoding: 'utf8' }).trim().split('\n').join(' ')
}

function programs(cgroup: Fd): string[] {
  return attachedPrograms(cgroup, TYPE).map((id) => {
    using program = openProgram(id)
    return program === undefined ? 'gone' : programName(program)
  })
}

function rules(...texts: string[]): DeviceRule[] {
  return texts.map(rule)
}

t.test('applyDeviceProgram() makes the kernel refuse what is not allowed', { skip }, async (t) => {
  const cgroup = newCgroup(t)
  t.equal(uses(cgroup), 'read write both', 'before')
  t.ok(applyDeviceProgram(cgroup, []))
  t.equal(uses(cgroup), '')
  for (const [texts, expected] of [
    [['allow c 1:7 rwm'], 'read write both'],
    [['allow c 1:7 r'], 'read'],
    [['allow c *:7 w'], 'write'],
    [['allow c 1:* r', 'allow c 1:7 w'], 'read write both'],
    [['allow c *:* rwm', 'deny c 1:7 w'], 'read'],
    [['allow b *:* rwm', 'allow c 7:1 rwm'], ''],
    [['allow a *:* rwm', 'deny a 1:* rw'], ''],
    [['allow a *:* rwm'], 'read write both'],
  ] as const) {
    t.ok(applyDeviceProgram(cgroup.label, rules(...texts)))
    t.equal(uses(cgroup), expected, texts.join(', '))
    t.same(programs(cgroup), ['tsrun_devices'], 'the former program is gone')
  }
})

t.test('applyDeviceProgram() leaves no gap when it replaces (H-31)', { skip }, async (t) => {
  const cgroup = newCgroup(t)
  const twice = [rules('allow c 1:5 rw'), rules('allow c 1:5 r', 'allow b 7:* r')]
  applyDeviceProgram(cgroup, twice[0] ?? [])
  const script = [
    'exec 2> /dev/null; echo $$ > "$1/cgroup.procs"; echo begun',
    'until read -t 0; do',
    '  if (: < /dev/full); then echo gap; fi',
    '  if ! (: < /dev/zero); then echo lost; fi',
    '  count=$((count + 1))',
    'done; echo "tries $((count > 20))"',
  ]
  const child = spawn('/bin/bash', ['-c', script.join('\n'), 'bash', cgroup.label], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (data) => {
    output += data
  })
  await new Promise((done) => child.stdout.once('data', done))
  const end = performance.now() + 500
  let replaced = 0
  while (performance.now() < end) applyDeviceProgram(cgroup, twice[++replaced % 2] ?? [])
  child.stdin.end('stop\n')
  await new Promise((done) => child.once('close', done))
  t.equal(output, 'begun\ntries 1\n', `${replaced} programs`)
  t.ok(replaced > 20)
})

t.test('applyDeviceProgram() leaves the programs of others', { skip }, async (t) => {
  const cgroup = newCgroup(t)
  using foreign = load('somebody')
  attachProgram(cgroup, foreign, TYPE)
  applyDeviceProgram(cgroup, rules('allow c 1:7 r'))
  applyDeviceProgram(cgroup, rules('allow c 1:7 w'))
  t.same(programs(cgroup).sort(), ['somebody', 'tsrun_devices'])
  t.equal(uses(cgroup), 'write')
})

t.test('applyDeviceProgram() puts one program in place of several', { skip }, async (t) => {
  const cgroup = newCgroup(t)
  for (let i = 0; i < 3; i++) {
    using own = load('tsrun_devices')
    attachProgram(cgroup, own, TYPE)
  }
  t.equal(programs(cgroup).length, 3)
  applyDeviceProgram(cgroup, rules('allow c 1:7 w'))
  t.same(programs(cgroup), ['tsrun_devices'])
  t.equal(uses(cgroup), 'write')
})

t.test('applyDeviceProgram() takes a thousand rules', { skip }, async (t) => {
  const cgroup = newCgroup(t)
  const many = Array.from({ length: 1000 }, (_, i) => rule(`allow c ${i + 2}:${i * 7} rw`))
  t.ok(applyDeviceProgram(cgroup, [...many, rule('allow c 1:7 r')]))
  t.equal(uses(cgroup), 'read')
})

t.test('applyDeviceProgram() says what failed', { skip }, async (t) => {
  const tmp = t.testdir({})
  using dir = open(undefined, tmp, O.RDONLY | O.DIRECTORY)
  t.throws(() => applyDeviceProgram(dir, []), {
    message: /^device rules: bpf BPF_PROG_QUERY of .*: bad file descriptor$/,
  })
  t.throws(() => applyDeviceProgram(`${tmp}/none`, []), { code: 'ENOENT' })
  t.notOk(applyDeviceProgram(dir, rules('allow a *:* rwm')), 'no loss if everything is allowed')
})

t.test('loadProgram() says why the kernel refuses a program', { skip }, async (t) => {
  const noExit = ALLOW_ALL.subarray(0, 8)
  const noResult = ALLOW_ALL.subarray(8)
  t.throws(() => load('x', noResult), {
    message: /invalid argument|permission denied.*: .*R0 !read_ok/,
  })
  t.throws(() => load('x', noExit), { cause: { code: 'EINVAL' } })
})
