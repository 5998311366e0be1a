import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

import { NR } from '../sys/numbers.ts'
import { type TestSpec, withBundle } from '../testing/bundle.ts'
import { writeCalls } from '../testing/calls.ts'
import { eventually, isRunning } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import { runWith } from '../testing/seccomp.ts'
import { asking, startAgent } from '../testing/start-agent.ts'

const skip = needsContainers('libseccomp')

const getppid = {
  args: ['/call'],
  populate: (rootfs: string) => writeCalls(join(rootfs, 'call'), { nr: NR.getppid }),
}

for (const noNewPrivileges of [true, false]) {
  const title = noNewPrivileges ? 'with no_new_privs' : 'without no_new_privs'
  const change = ({ process, annotations = {} }: TestSpec) => {
    process.noNewPrivileges = noNewPrivileges
    annotations.what = 'ever'
  }

  t.test(`an agent is told of the container, and decides: ${title}`, { skip }, async (t) => {
    const b = await withBundle(t, getppid)
    const agent = await startAgent(t, b, ['getppid'])
    b.reconfigure((spec) => {
      spec.annotations = { what: 'ever' }
      change(spec)
      spec.linux.seccomp = asking(agent.path, 'getppid')
    })
    t.match(await b.tsrun('create', b.id), { code: 0, stderr: '' })
    const { pid } = await b.state()
    t.equal((await b.tsrun('start', b.id)).code, 0)
    const { state, fds, rest, calls } = await agent.told()
    t.equal(fds, 1)
    t.equal(rest, 0)
    t.same(state, {
      ociVersion: '1.3.0',
      fds: ['seccompFd'],
      pid,
      metadata: 'some "words"',
      state: {
        ociVersion: '1.3.0',
        id: b.id,
        status: 'creating',
        pid,
        bundle: b.dir,
        annotations: { what: 'ever' },
      },
    })
    t.same(calls, [NR.getppid])
  })

  t.test(`the agent's error is the program's: ${title}`, { skip }, async (t) => {
    const b = await withBundle(t, getppid)
    const agent = await startAgent(t, b, ['getppid'])
    t.match(await runWith(b, asking(agent.path, 'getppid'), change), {
      code: 255,
      stderr: 'call: no medium found\n',
    })
    t.same((await agent.told()).calls, [NR.getppid])
  })

  t.test(`calls that tsrun itself makes can be asked about: ${title}`, { skip }, async (t) => {
    const b = await withBundle(t, { args: ['cat', '/proc/self/status'] })
    const agent = await startAgent(t, b, [])
    const important = [
      'execve',
      'openat',
      'open',
      'read',
      'close',
      'fcntl',
      'sendmsg',
      'prctl',
      'capset',
    ]
    const { code, stdout, stderr } = await runWith(b, asking(agent.path, ...important), change)
    t.match({ code, stderr }, { code: 0, stderr: '' })
    t.match(stdout, /^Seccomp:\t2$/m)
    t.ok((await agent.told()).calls.includes(NR.execve))
  })
}

t.test('the program has no listener (H-05)', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['sh', '-c', 'ls -l /proc/self/fd'] })
  const agent = await startAgent(t, b, [])
  const { code, stdout } = await runWith(b, asking(agent.path, 'mkdir'))
  t.equal(code, 0)
  t.notMatch(stdout, /seccomp/)
  t.match(stdout, /2 -> /)
  await agent.told()
})

t.test('without the agent the call does not exist', { skip }, async (t) => {
  const b = await withBundle(t, {
    ...getppid,
    args: ['sh', '-c', 'echo up; read line < /dev/shm/go; exec /call'],
  })
  const agent = await startAgent(t, b, [])
  b.reconfigure((spec) => {
    spec.process.args = ['sh', '-c', 'while [ ! -e /go ]; do sleep 0.05; done; exec /call']
    spec.linux.seccomp = asking(agent.path, 'getppid')
  })
  const running = b.launch('run', b.id)
  await eventually('the agent is told', () => agent.process.stdout().includes('message'), 20_000)
  process.kill(agent.process.pid, 'SIGKILL')
  await agent.process.ended
  t.equal((await b.shell('touch rootfs/go')).code, 0)
  t.match(await running.ended, { code: 255, stderr: 'call: function not implemented\n' })
})

t.test('an agent that ends before the start leaves nobody waiting', { skip }, async (t) => {
  for (const noNewPrivileges of [true, false]) {
    const b = await withBundle(t, getppid)
    const agent = await startAgent(t, b, [])
    b.reconfigure(({ linux, process }) => {
      linux.seccomp = asking(agent.path, 'execve')
      process.noNewPrivileges = noNewPrivileges
    })
    t.equal((await b.shell('"$TSRUN" --root "$ROOT" create "$ID" 2> errors')).code, 0)
    const { pid } = await b.state()
    process.kill(agent.process.pid, 'SIGKILL')
    await agent.process.ended
    t.equal((await b.tsrun('start', b.id)).code, 0)
    await eventually('the process ends', () => !isRunning(pid))
    const errors = readFileSync(join(b.dir, 'errors'), 'utf8')
    t.equal(errors, 'exec /call: function not implemented\n')
  }
})

t.test('WAIT_KILLABLE_RECV, and a path that nothing is sent to', { skip }, async (t) => {
  const b = await withBundle(t, getppid)
  const agent = await startAgent(t, b, [])
  const flags = ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV']
  const { stdout } = await b.tsrun('features')
  if (JSON.parse(stdout).linux.seccomp.supportedFlags.includes(flags[0])) {
    const waiting = { ...asking(agent.path, 'getppid'), flags }
    const { code, stderr } = await runWith(b, waiting, undefined, '--debug')
    t.equal(code, 0)
    t.match(stderr, 'msg="seccomp filter flags: 40"')
    await agent.told()
  }
  const { listenerPath, ...rest } = asking('/nobody/there', 'getppid')
  const syscalls = [{ names: ['getppid'], action: 'SCMP_ACT_LOG' as const }]
  t.match(await runWith(b, { ...rest, listenerPath: listenerPath ?? '', syscalls }), { code: 0 })
})

t.test('nobody listens: an error, and no container', { skip }, async (t) => {
  const b = await withBundle(t, getppid)
  for (const path of ['/no/such.sock', '@no-such-socket', join(b.rootfs, 'bin/busybox')]) {
    const { code, stderr } = await runWith(b, asking(path, 'getppid'))
    t.equal(code, 1)
    t.match(
      stderr,
      /failed to connect with seccomp agent specified in the seccomp profile: connect/,
    )
    t.match(stderr, /config\.json:\d+:\d+/)
    t.not((await b.tsrun('state', b.id)).code, 0)
  }
})

t.test('a created container that waits for its agent can be deleted', { skip }, async (t) => {
  const b = await withBundle(t, getppid)
  const agent = await startAgent(t, b, [])
  b.reconfigure(({ linux }) => {
    linux.seccomp = asking(agent.path, 'read')
  })
  t.match(await b.tsrun('create', b.id), { code: 0, stderr: '' })
  const { pid } = await b.state()
  process.kill(agent.process.pid, 'SIGSTOP')
  t.equal((await b.tsrun('delete', '--force', b.id)).code, 0)
  t.equal(isRunning(pid), false)
  process.kill(agent.process.pid, 'SIGCONT')
  await agent.told()
})
