/** Hooks of the container run under its filter; and the filter is no hindrance to running them. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { LinuxSeccomp } from '../../spec/generated/config.ts'
import { NR } from '../sys/numbers.ts'
import { type TestBundle, type TestSpec, withBundle } from '../testing/bundle.ts'
import { writeCalls } from '../testing/calls.ts'
import { eventually, isRunning, processStatus } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import { engineProfile } from '../testing/seccomp-profile.ts'
import { asking, startAgent } from '../testing/start-agent.ts'

const skip = needsContainers('libseccomp')

type Hook = NonNullable<NonNullable<TestSpec['hooks']>['startContainer']>[number]

const CALL: Hook = { path: '/call' }
const STATUS: Hook = {
  path: '/bin/sh',
  args: [
    'sh',
    '-c',
    'grep -E "^(Seccomp|NoNewPrivs):" /proc/self/status > /log/status; cat > /log/state',
  ],
}

/** A bundle whose container has hooks and a filter; `/call` calls getppid(2). */
async function hooked(
  t: Parameters<typeof withBundle>[0],
  hooks: Hook[],
  seccomp: LinuxSeccomp,
  noNewPrivileges: boolean,
  change: (spec: TestSpec, b: TestBundle) => void = () => {},
): Promise<TestBundle> {
  const b = await withBundle(t, {
    args: ['true'],
    populate: (rootfs) => writeCalls(join(rootfs, 'call'), { nr: NR.getppid }),
  })
  const source = join(b.dir, 'log')
  mkdirSync(source)
  b.reconfigure((spec) => {
    spec.process.noNewPrivileges = noNewPrivileges
    spec.process.rlimits = [{ type: 'RLIMIT_CORE', soft: 0, hard: 0 }]
    spec.mounts.push({ destination: '/log', type: 'bind', source, options: ['rbind', 'rw'] })
    spec.hooks = { startContainer: hooks }
    spec.linux.seccomp = seccomp
    change(spec, b)
  })
  return b
}

function oneCall(action: 'SCMP_ACT_ERRNO' | 'SCMP_ACT_KILL', ...names: string[]): LinuxSeccomp {
  return { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names, action }] }
}

for (const noNewPrivileges of [true, false]) {
  const title = noNewPrivileges ? 'with no_new_privs' : 'without no_new_privs'

  t.test(`a hook has the filter, of an everyday profile: ${title}`, { skip }, async (t) => {
    const b = await hooked(t, [STATUS, CALL], engineProfile(), noNewPrivileges)
    t.same(await b.tsrun('run', b.id), { code: 0, stdout: '', stderr: '' })
    const status = readFileSync(join(b.dir, 'log/status'), 'utf8')
    t.equal(status, `NoNewPrivs:\t${noNewPrivileges ? 1 : 0}\nSeccomp:\t2\n`)
    t.match(JSON.parse(readFileSync(join(b.dir, 'log/state'), 'utf8')), {
      id: b.id,
      status: 'created',
      pid: 1,
    })
  })

  t.test(`what it is denied, and what kills it: ${title}`, { skip }, async (t) => {
    const endWith = async (action: 'SCMP_ACT_ERRNO' | 'SCMP_ACT_KILL') => {
      const b = await hooked(t, [CALL], oneCall(action, 'getppid'), noNewPrivileges)
      return b.tsrun('run', b.id)
    }
    t.match(await endWith('SCMP_ACT_ERRNO'), {
      code: 1,
      stderr: /startContainer hook #0: exit status 255, .*call: operation not permitted/,
    })
    t.match(await endWith('SCMP_ACT_KILL'), {
      code: 1,
      stderr: /error running startContainer hook #0: signal: bad system call/,
    })
  })

  t.test(`an agent is asked about hooks, too: ${title}`, { skip }, async (t) => {
    const change = ({ linux }: TestSpec, { dir }: TestBundle) => {
      linux.seccomp = asking(join(dir, 'agent.sock'), 'getppid')
    }
    const b = await hooked(t, [CALL], engineProfile(), noNewPrivileges, change)
    const agent = await startAgent(t, b, ['getppid'])
    t.match(await b.tsrun('run', b.id), { code: 1, stderr: /call: no medium found/ })
    t.same((await agent.told()).calls, [NR.getppid])
  })

  t.test(`a container that waits ends by a signal: ${title}`, { skip }, async (t) => {
    const b = await hooked(t, [STATUS], engineProfile(), noNewPrivileges)
    t.match(await b.tsrun('create', b.id), { code: 0, stderr: '' })
    const { pid } = await b.state()
    t.equal(processStatus(pid, 'Seccomp'), '2')
    t.match(await b.tsrun('kill', b.id, 'TERM'), { code: 0 })
    await eventually('it ends', () => !isRunning(pid))
  })
}

/** What preparing hooks and waiting for the start takes, where there is no filter yet. */
const EARLY = ['memfd_create', 'signalfd4', 'openat', 'ppoll', 'mmap']

t.test('calls that not every profile has', { skip }, async (t) => {
  for (const name of ['clone3', 'setpgid', 'close_range', ...EARLY.slice(0, 4)]) {
    const profile = oneCall('SCMP_ACT_ERRNO', name)
    const b = await hooked(t, [CALL], profile, true, ({ linux }) => {
      for (const rule of linux.seccomp?.syscalls ?? []) rule.errnoRet = 38
    })
    t.same(await b.tsrun('run', b.id), { code: 0, stdout: '', stderr: '' }, name)
  }
  for (const name of EARLY) {
    const profile = oneCall('SCMP_ACT_KILL', name)
    const b = await hooked(t, [CALL], profile, true, ({ process }) => {
      process.args = ['/call']
    })
    t.same(await b.tsrun('run', b.id), { code: 0, stdout: '', stderr: '' }, `${name} kills`)
  }
})
