/** The filter of a further process: that of its container. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { LinuxSeccomp, LinuxSyscall } from '../../spec/generated/config.ts'
import { NR } from '../sys/numbers.ts'
import { running, type TestBundle, withBundle } from '../testing/bundle.ts'
import { writeCalls } from '../testing/calls.ts'
import { programPath, run, shell } from '../testing/cli.ts'
import { furtherWith } from '../testing/exec.ts'
import { processStatus } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import { engineProfile } from '../testing/seccomp-profile.ts'
import { asking, startAgent } from '../testing/start-agent.ts'
import { sitDown } from '../testing/terminal.ts'

const skip = needsContainers('libseccomp')
const SIGSYS = 31
/** Who loads the filter, and when, depends on these. */
const EVERY_WAY = [
  { noNewPrivileges: true, capabilities: [] },
  { noNewPrivileges: false, capabilities: [] },
  { noNewPrivileges: false, capabilities: ['CAP_SYS_PTRACE'] },
  { noNewPrivileges: false, capabilities: ['CAP_SYS_ADMIN'] },
]

interface Change {
  readonly noNewPrivileges?: boolean
  readonly capabilities?: readonly string[]
}

/** A container that waits for its start, with a program `/call` that calls getppid(2). */
async function containerWith(
  t: Test,
  seccomp: LinuxSeccomp | ((b: TestBundle) => Promise<LinuxSeccomp>),
  { noNewPrivileges = false, capabilities = [] }: Change = {},
): Promise<{ b: TestBundle; first: number }> {
  const b = await withBundle(t, {
    populate: (rootfs) => writeCalls(join(rootfs, 'call'), { nr: NR.getppid }),
  })
  const filter = typeof seccomp === 'function' ? await seccomp(b) : seccomp
  b.reconfigure(({ process, linux }) => {
    process.noNewPrivileges = noNewPrivileges
    const set = [...capabilities]
    process.capabilities = { bounding: set, effective: set, permitted: set }
    process.rlimits = [{ type: 'RLIMIT_CORE', soft: 0, hard: 0 }]
    linux.seccomp = filter
  })
  t.match(await b.tsrun('create', b.id), { code: 0, stderr: '' })
  return { b, first: (await b.state()).pid }
}

function oneCall(action: LinuxSyscall['action'], name = 'getppid'): LinuxSeccomp {
  return { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: [name], action }] }
}

function only(...names: string[]): LinuxSeccomp {
  return {
    defaultAction: 'SCMP_ACT_KILL_PROCESS',
    syscalls: [{ names, action: 'SCMP_ACT_ALLOW' }],
  }
}

t.test('it has the filter, and nothing else of how it got it', { skip }, async (t) => {
  for (const way of EVERY_WAY) {
    for (const user of ['0', '1000:1000']) {
      const title = `${JSON.stringify(way)} ${user}`
      const { b, first } = await containerWith(t, engineProfile(), way)
      const pid = await furtherWith(b, ['-u', user], ['sleep', '1000'])
      const look = (of: number) =>
        ['Seccomp', 'Seccomp_filters', 'NoNewPrivs', 'CapBnd'].map((name) =>
          processStatus(of, name),
        )
      t.same(look(pid).slice(0, 3), ['2', '1', way.noNewPrivileges ? '1' : '0'], title)
      t.same(look(pid), look(first), title)
      if (user === '0') t.equal(processStatus(pid, 'CapPrm'), processStatus(first, 'CapPrm'))
      else t.equal(processStatus(pid, 'CapPrm'), '0000000000000000')
    }
  }
})

t.test('--no-new-privs and --process do without one of their own', { skip }, async (t) => {
  const { b } = await containerWith(t, oneCall('SCMP_ACT_ERRNO'))
  for (const option of ['--no-new-privs', '--no-new-privs=false']) {
    const { code, stderr } = await b.tsrun('exec', option, b.id, '/call')
    t.same([code, stderr], [255, 'call: operation not permitted\n'], option)
  }
  const file = join(b.dir, 'process.json')
  for (const noNewPrivileges of [true, false]) {
    writeFileSync(file, JSON.stringify({ cwd: '/', args: ['/call'], noNewPrivileges }))
    const { code, stderr } = await b.tsrun('exec', '--process', file, b.id)
    t.same([code, stderr], [255, 'call: operation not permitted\n'])
  }
})

t.test('what is denied, and what kills', { skip }, async (t) => {
  for (const way of EVERY_WAY) {
    for (const [action, expected] of [
      ['SCMP_ACT_ERRNO', 255],
      ['SCMP_ACT_KILL', 128 + SIGSYS],
    ] as const) {
      const { b } = await containerWith(t, oneCall(action), way)
      const { code } = await b.tsrun('exec', b.id, '/call')
      t.equal(code, expected, `${action} ${JSON.stringify(way)}`)
    }
  }
})

t.test('the strictest profile that a program can live in', { skip }, async (t) => {
  const least = ['write', 'read', 'execve', 'getppid', 'exit_group']
  const attempt = async (names: readonly string[], change: Change, ...options: string[]) => {
    const { b } = await containerWith(t, only(...names), change)
    return b.tsrun('exec', '-u', '1000:1000', ...options, b.id, '/call')
  }
  const done = { code: 0, stdout: '', stderr: '' }
  t.same(await attempt(least, { noNewPrivileges: true }), done)
  const without = [...least, 'capset', 'prctl']
  t.same(await attempt(without, {}), done, 'it is not born with its filter')
  t.same(await attempt(without, { capabilities: ['CAP_SYS_ADMIN'] }), done)
  const traceable = { capabilities: ['CAP_SYS_PTRACE'] }
  t.match(await attempt(without, traceable), {
    code: 255,
    stderr: /the seccomp profile does not allow clone, which a process without noNewPrivileges/,
  })
  t.same(await attempt([...without, 'clone', 'setsid', 'rt_sigaction'], traceable), done)
  const denied = await containerWith(t, oneCall('SCMP_ACT_ERRNO', 'execve'), {})
  t.match(await denied.b.tsrun('exec', denied.b.id, '/call'), {
    code: 255,
    stderr: 'exec /call: operation not permitted\n',
  })
})

/** A container whose filter asks an agent, which is there for its first process only. */
async function askingContainer(t: Test, names: readonly string[], way: Change) {
  let end = async (): Promise<void> => {}
  const { b, first } = await containerWith(
    t,
    async (bundle) => {
      const agent = await startAgent(t, bundle, [])
      end = async () => {
        agent.process.child.kill('SIGKILL')
        await agent.process.ended
        rmSync(agent.path)
      }
      return asking(agent.path, ...names)
    },
    way,
  )
  await end()
  return { b, first }
}

for (const way of EVERY_WAY) {
  const title = JSON.stringify(way)
  t.test(`an agent is told of it, and decides: ${title}`, { skip }, async (t) => {
    const { b, first } = await askingContainer(t, ['getppid'], way)
    const agent = await startAgent(t, b, ['getppid'])
    const pidFile = join(b.dir, 'pid')
    const options = ['--pid-file', pidFile, '-u', '1000:1000']
    const { code, stderr } = await b.tsrun('exec', ...options, b.id, '/call')
    t.same([code, stderr], [255, 'call: no medium found\n'])
    const { state, fds, rest, calls } = await agent.told()
    t.same({ fds, rest, calls }, { fds: 1, rest: 0, calls: [NR.getppid] })
    t.match(state, {
      pid: Number(readFileSync(pidFile, 'utf8')),
      metadata: 'some "words"',
      state: { id: b.id, status: 'running', pid: first, bundle: b.dir },
    })
    rmSync(agent.path)
    t.match(await b.tsrun('exec', b.id, '/call'), {
      code: 255,
      stderr: /^(?!.*container process.*container process).*exec failed: .*failed to connect with/,
    })
  })
}

t.test('an agent that is to be asked about the birth itself', { skip }, async (t) => {
  const calls = ['clone', 'setsid', 'capset', 'prctl', 'execve', 'rt_sigaction', 'getppid']
  const { b } = await askingContainer(t, calls, {})
  const agent = await startAgent(t, b, [])
  t.same(await b.tsrun('exec', b.id, '/call'), { code: 0, stdout: '', stderr: '' })
  const told = await agent.told()
  t.ok(told.calls.includes(NR.capset) && told.calls.includes(NR.execve), `${told.calls}`)
  t.notOk(told.calls.includes(NR.clone), 'that was before')
})

t.test('no agent, and read(2) is to be asked about', { skip }, async (t) => {
  const b = await withBundle(t)
  const agent = await startAgent(t, b, [])
  await running(b, ({ linux }) => {
    linux.seccomp = asking(agent.path, 'read')
  })
  rmSync(agent.path)
  const { code, stderr } = await b.tsrun('exec', b.id, 'true')
  t.equal(code, 255)
  t.match(stderr, /failed to connect with/)
  const { stdout } = await b.tsrun('ps', '-f', 'json', b.id)
  t.equal(JSON.parse(stdout).length, 1, 'nobody is left')
})

const NOEXEC =
  'unshare --pid --fork --mount --mount-proc sh -c "echo 2 >/proc/sys/vm/memfd_noexec && $1"'

t.test('where no memfd may be executed', { skip }, async (t) => {
  const { code: refused } = await run(shell(NOEXEC.replace('$1', 'true')))
  if (refused !== 0) return t.comment('vm.memfd_noexec cannot be set here')
  for (const { noNewPrivileges, capabilities } of EVERY_WAY) {
    const b = await withBundle(t, {
      configure: ({ process, linux }) => {
        process.noNewPrivileges = noNewPrivileges
        process.capabilities = {
          bounding: capabilities,
          effective: capabilities,
          permitted: capabilities,
        }
        linux.seccomp = engineProfile()
      },
    })
    const look = 'grep -e Seccomp: -e CapPrm: /proc/self/status'
    const program = '$TSRUN --root $ROOT'
    const { stdout, stderr } = await b.shell(
      NOEXEC.replace('$1', `${program} run -d $ID >/dev/null && ${program} exec $ID ${look}`),
    )
    const rights = capabilities.map((name) => (name === 'CAP_SYS_ADMIN' ? 21 : 19))
    const mask = rights.reduce((all, bit) => all | (1n << BigInt(bit)), 0n)
    t.equal(stdout, `CapPrm:\t${mask.toString(16).padStart(16, '0')}\nSeccomp:\t2\n`)
    t.equal(stderr, '')
  }
})

t.test('with a terminal', { skip }, async (t) => {
  for (const way of EVERY_WAY) {
    const { b } = await containerWith(t, engineProfile(), way)
    const command = ['exec', '-t', b.id, 'sh', '-c', 'tty; grep -w Seccomp: /proc/self/status']
    const session = sitDown(t, [programPath(), '--root', b.root, ...command], { cwd: b.dir })
    t.equal(await session.ended, 0)
    t.match(session.screen.text(), /^\/dev\/pts\/0\r\nSeccomp:\t2\r\n$/)
  }
})

t.test('many at once', { skip }, async (t) => {
  const b = await withBundle(t, {
    configure: ({ linux }) => {
      linux.seccomp = engineProfile()
    },
  })
  await running(b, () => {})
  const ended = await Promise.all(
    Array.from({ length: 20 }, (_, i) => b.tsrun('exec', b.id, 'sh', '-c', `exit ${i}`)),
  )
  t.same(
    ended.map(({ code }) => code),
    Array.from({ length: 20 }, (_, i) => i),
  )
})
