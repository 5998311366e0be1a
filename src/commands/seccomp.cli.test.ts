import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { LinuxSeccomp, LinuxSyscall } from '../../spec/generated/config.ts'
import { NR } from '../sys/numbers.ts'
import { withBundle } from '../testing/bundle.ts'
import { writeCalls, writeI386Call } from '../testing/calls.ts'
import { programPath } from '../testing/cli.ts'
import { eventually, processStatus } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import { runWith } from '../testing/seccomp.ts'
import { engineProfile } from '../testing/seccomp-profile.ts'
import { sitDown } from '../testing/terminal.ts'

const skip = needsContainers('libseccomp')
const SIGSYS = 31
const NOT_X86 = process.arch !== 'x64' && 'needs x86-64'

type Action = LinuxSyscall['action']
type Arguments = NonNullable<LinuxSyscall['args']>

/** Denies, or does whatever else, one call in a container that makes just that. */
function oneCall(action: Action, rest: Partial<LinuxSyscall> = {}): LinuxSeccomp {
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['getppid'], action, ...rest }],
  }
}

function getppid(...args: readonly (number | bigint)[]) {
  return {
    args: ['/call'],
    populate: (rootfs: string) => {
      writeCalls(join(rootfs, 'call'), { nr: NR.getppid, args })
    },
  }
}

t.test(
  'the filter is there: created, running, with and without no_new_privs',
  { skip },
  async (t) => {
    for (const noNewPrivileges of [true, false]) {
      for (const uid of [0, 1000]) {
        const b = await withBundle(t, {
          configure: ({ process, linux }) => {
            process.noNewPrivileges = noNewPrivileges
            process.user = { uid, gid: uid }
            linux.seccomp = oneCall('SCMP_ACT_ERRNO')
          },
        })
        const created = await b.tsrun('create', b.id)
        t.match(created, { code: 0, stderr: '' })
        const { pid } = await b.state()
        const look = () =>
          ['Seccomp', 'Seccomp_filters', 'NoNewPrivs', 'CapEff'].map((name) =>
            processStatus(pid, name),
          )
        const expected = ['2', '1', noNewPrivileges ? '1' : '0']
        t.same(look().slice(0, 3), expected, `created, user ${uid}`)
        const capabilities = look()[3]
        t.equal((await b.tsrun('start', b.id)).code, 0)
        await eventually('it runs', () => readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '')
        t.same(look().slice(0, 3), expected, `running, user ${uid}`)
        if (uid === 0) t.equal(look()[3], capabilities, 'nothing more while it waits')
      }
    }
  },
)

t.test('denied calls have the error of the rule, or of the default', { skip }, async (t) => {
  const b = await withBundle(t, getppid())
  const errorOf = async (seccomp: LinuxSeccomp) => (await runWith(b, seccomp)).stderr
  t.equal(await errorOf(oneCall('SCMP_ACT_ERRNO')), 'call: operation not permitted\n')
  t.equal(await errorOf(oneCall('SCMP_ACT_ERRNO', { errnoRet: 100 })), 'call: network is down\n')
  t.equal(await errorOf(oneCall('SCMP_ACT_ERRNO', { errnoRet: 4094 })), 'call: unknown error\n')
  t.equal(await errorOf(oneCall('SCMP_ACT_ALLOW')), '', 'as the default: no rule')
  const defaults = (defaultErrnoRet?: number): LinuxSeccomp => ({
    defaultAction: 'SCMP_ACT_ERRNO',
    ...(defaultErrnoRet !== undefined && { defaultErrnoRet }),
    syscalls: [
      { names: ['read', 'write', 'writev', 'execve', 'exit_group'], action: 'SCMP_ACT_ALLOW' },
      { names: ['rt_sigaction', 'capset', 'prctl'], action: 'SCMP_ACT_ALLOW' },
    ],
  })
  t.equal(await errorOf(defaults()), 'call: operation not permitted\n')
  t.equal(await errorOf(defaults(6)), 'call: no such device or address\n', 'ENXIO')
})

t.test('every action', { skip }, async (t) => {
  const b = await withBundle(t, getppid())
  const endOf = async (action: Action, rest?: Partial<LinuxSyscall>) => {
    const { code, stderr } = await runWith(b, oneCall(action, rest), ({ process }) => {
      process.rlimits = [{ type: 'RLIMIT_CORE', soft: 0, hard: 0 }]
    })
    return [code, stderr]
  }
  for (const action of ['KILL', 'KILL_THREAD', 'KILL_PROCESS', 'TRAP']) {
    t.same(await endOf(`SCMP_ACT_${action}` as Action), [128 + SIGSYS, ''], action)
  }
  t.same(await endOf('SCMP_ACT_LOG'), [0, ''])
  t.same(await endOf('SCMP_ACT_ALLOW'), [0, ''])
  const noTracer = [255, 'call: function not implemented\n']
  t.same(await endOf('SCMP_ACT_TRACE'), noTracer)
  t.same(await endOf('SCMP_ACT_TRACE', { errnoRet: 7 }), noTracer)
})

t.test('every operator, with all 64 bits', { skip }, async (t) => {
  const value = 0x8000_0001_0000_0000n
  const arguments_ = [value - 1n, value, value + 1n, 0n, 1n << 63n]
  const b = await withBundle(t, {
    populate: (rootfs) => {
      arguments_.forEach((arg, i) => {
        writeCalls(join(rootfs, `call${i}`), { nr: NR.getppid, args: [3, 3, 3, 3, 3, arg] })
      })
    },
    args: [
      'sh',
      '-c',
      'for i in 0 1 2 3 4; do /call$i 2>/dev/null && echo -n + || echo -n -; done',
    ],
  })
  const denied: Record<string, string> = {
    NE: '-+---',
    LT: '-++--',
    LE: '--+--',
    EQ: '+-+++',
    GE: '+--++',
    GT: '++-++',
    MASKED_EQ: '+--++',
  }
  for (const [name, expected] of Object.entries(denied)) {
    const args: Arguments = [
      { index: 5, op: `SCMP_CMP_${name}` as Arguments[number]['op'], value: 111, valueTwo: 222 },
    ]
    b.reconfigure(({ linux }) => {
      linux.seccomp = oneCall('SCMP_ACT_ERRNO', { args })
    })
    // numbers that JavaScript cannot hold take their places in the text
    const { stdout, stderr } = await b.shell(
      `sed -i 's/"value": 111/"value": ${value}/; s/"valueTwo": 222/"valueTwo": ${value}/' config.json` +
        ' && exec "$TSRUN" --root "$ROOT" run "$ID"',
    )
    t.equal(stdout, expected, `${name} ${stderr}`)
  }
})

t.test('conditions of one argument are alternatives, of several together', { skip }, async (t) => {
  const b = await withBundle(t, getppid(1, 2))
  const op = 'SCMP_CMP_EQ' as const
  const denies = async (...args: Arguments) =>
    (await runWith(b, oneCall('SCMP_ACT_ERRNO', { args }))).code !== 0
  t.equal(await denies({ index: 0, value: 1, op }, { index: 1, value: 2, op }), true)
  t.equal(await denies({ index: 0, value: 1, op }, { index: 1, value: 3, op }), false)
  t.equal(await denies({ index: 0, value: 7, op }, { index: 0, value: 1, op }), true)
  t.equal(await denies({ index: 0, value: 7, op }, { index: 0, value: 8, op }), false)
})

t.test(
  'architectures: of one that is not listed nothing is let through',
  { skip: skip || NOT_X86 },
  async (t) => {
    const b = await withBundle(t, {
      args: ['/call'],
      populate: (rootfs) => writeI386Call(join(rootfs, 'call')),
    })
    const { code } = await b.tsrun('run', b.id)
    if (code !== 0) {
      t.pass('this kernel has no 32-bit system calls')
      return
    }
    const listing = (architectures?: LinuxSeccomp['architectures']) => {
      const rule = oneCall('SCMP_ACT_ERRNO')
      return runWith(b, { ...rule, ...(architectures && { architectures }) })
    }
    t.match(await listing(['SCMP_ARCH_X86']), { code: 0 }, 'the native one is there, too')
    t.match(await listing(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']), { code: 0 })
    t.match(await listing(['SCMP_ARCH_X86_64']), { code: 128 + SIGSYS })
    t.match(await listing(), { code: 128 + SIGSYS })
  },
)

t.test('flags: their sum is in the log', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['true'] })
  const { linux } = JSON.parse((await b.tsrun('features')).stdout)
  const { supportedFlags } = linux.seccomp as { supportedFlags: string[] }
  const values: Record<string, number> = { TSYNC: 0, LOG: 2, SPEC_ALLOW: 4 }
  for (let choice = 0; choice < 8; choice++) {
    const names = Object.keys(values).filter((_, i) => (choice & (1 << i)) !== 0)
    const flags = names.map((name) => `SECCOMP_FILTER_FLAG_${name}`)
    if (!flags.every((flag) => supportedFlags.includes(flag))) continue
    const sum = names.reduce((all, name) => all + (values[name] ?? 0), 0)
    const { code, stderr } = await runWith(
      b,
      { ...oneCall('SCMP_ACT_ERRNO'), flags },
      undefined,
      '--debug',
    )
    t.equal(code, 0)
    t.match(stderr, `msg="seccomp filter flags: ${sum}"`, names.join(' '))
  }
  const absent = supportedFlags.includes('SECCOMP_FILTER_FLAG_SPEC_ALLOW') ? 4 : 0
  const { stderr } = await runWith(b, oneCall('SCMP_ACT_ERRNO'), undefined, '--debug')
  t.match(stderr, `msg="seccomp filter flags: ${absent}"`, 'none are given')
})

t.test('names: unknown ones are ignored, and named in the log', { skip }, async (t) => {
  const b = await withBundle(t, getppid())
  const filter = oneCall('SCMP_ACT_ERRNO', { names: ['no_such_call', 'getppid', 'a b'] })
  const { code, stderr } = await runWith(b, filter, undefined, '--debug')
  t.equal(code, 255)
  t.match(stderr, 'unknown seccomp syscall \\"no_such_call\\" ignored')
  t.match(stderr, 'unknown seccomp syscall \\"a b\\" ignored')
  t.match(stderr, 'call: operation not permitted')
})

t.test('what is wrong is said with its place', { skip }, async (t) => {
  const b = await withBundle(t)
  const cases: [LinuxSeccomp, RegExp][] = [
    [oneCall('SCMP_ACT_ERRNO', { names: [''] }), /empty string is not a valid syscall/],
    [{ ...oneCall('SCMP_ACT_ERRNO'), flags: ['X'] }, /seccomp flag X is not known to runc/],
    [
      { ...oneCall('SCMP_ACT_ERRNO'), flags: ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'] },
      /is of use with SCMP_ACT_NOTIFY only/,
    ],
    [
      oneCall('SCMP_ACT_ERRNO', { args: [{ index: 6, value: 0, op: 'SCMP_CMP_EQ' }] }),
      /found number 6, allowed: 0 to 5/,
    ],
    [oneCall('SCMP_ACT_ALLOW', { errnoRet: 3 }), /does not take an errno/],
    [oneCall('SCMP_ACT_NOTIFY'), /seccomp listenerPath is not set/],
    [
      { ...oneCall('SCMP_ACT_NOTIFY', { names: ['write'] }), listenerPath: '/x' },
      /SCMP_ACT_NOTIFY cannot be used for the write syscall/,
    ],
    [
      { defaultAction: 'SCMP_ACT_NOTIFY', listenerPath: '/x' },
      /SCMP_ACT_NOTIFY cannot be used as default action/,
    ],
    [
      { ...oneCall('SCMP_ACT_ERRNO'), architectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_S390X'] },
      /error adding architecture SCMP_ARCH_S390X to seccomp filter/,
    ],
  ]
  for (const [seccomp, text] of cases) {
    const { code, stderr } = await runWith(b, seccomp)
    t.equal(code, 1)
    t.match(stderr, text)
    t.match(stderr, /config\.json:\d+:\d+/)
  }
})

t.test('calls newer than the profile do not exist (H-04)', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['/call'],
    populate: (rootfs) => writeCalls(join(rootfs, 'call'), { nr: 1000 }),
  })
  t.match(await runWith(b, engineProfile()), { stderr: 'call: function not implemented\n' })
})

t.test('a profile of 350 rules, for what programs do every day', { skip }, async (t) => {
  const script =
    'cd /dev/shm && mkdir d && echo x > d/f && cat d/f && (sleep 0; echo child) && ls d;' +
    'mount -t tmpfs x /dev/shm 2>&1; unshare -m true 2>&1; uname -s; hostname x 2>&1; true'
  for (const noNewPrivileges of [true, false]) {
    const b = await withBundle(t)
    const { code, stdout, stderr } = await runWith(b, engineProfile(), ({ process }) => {
      process.args = ['sh', '-c', script]
      process.noNewPrivileges = noNewPrivileges
      process.capabilities = {
        bounding: ['CAP_SYS_ADMIN'],
        effective: ['CAP_SYS_ADMIN'],
        permitted: ['CAP_SYS_ADMIN'],
      }
    })
    t.match({ code, stderr }, { code: 0, stderr: '' })
    t.match(stdout, /^x\nchild\nf\nmount: .*denied.*\nunshare: .*not permitted\nLinux\n/)
  }
})

t.test('with a terminal', { skip }, async (t) => {
  for (const noNewPrivileges of [true, false]) {
    const b = await withBundle(t, {
      args: ['sh', '-c', 'tty; grep -w Seccomp: /proc/self/status'],
      configure: ({ process, linux }) => {
        process.terminal = true
        process.noNewPrivileges = noNewPrivileges
        linux.seccomp = engineProfile()
      },
    })
    const session = sitDown(t, [programPath(), '--root', b.root, 'run', b.id], { cwd: b.dir })
    t.equal(await session.ended, 0)
    t.match(session.screen.text(), /^\/dev\/pts\/0\r\nSeccomp:\t2\r\n$/)
  }
})

t.test('the strictest profile that a program can live in (H-03)', { skip }, async (t) => {
  const b = await withBundle(t, { ...getppid() })
  const only = (...names: string[]): LinuxSeccomp => ({
    defaultAction: 'SCMP_ACT_KILL_PROCESS',
    syscalls: [{ names, action: 'SCMP_ACT_ALLOW' }],
  })
  const least = ['write', 'read', 'execve', 'getppid', 'exit_group']
  const attempt = (seccomp: LinuxSeccomp, noNewPrivileges: boolean) =>
    runWith(b, seccomp, ({ process }) => {
      process.noNewPrivileges = noNewPrivileges
      process.user = { uid: 1000, gid: 1000, additionalGids: [5] }
    })
  t.match(await attempt(only(...least), true), { code: 0, stderr: '' })
  t.match(await attempt(only(...least, 'capset', 'prctl'), false), { code: 0, stderr: '' })
  const denied: LinuxSeccomp = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [
      { names: ['capset', 'setuid', 'setresuid', 'setgroups', 'prctl'], action: 'SCMP_ACT_ERRNO' },
    ],
  }
  t.match(await attempt(denied, true), { code: 0, stderr: '' })
  t.match(await attempt(denied, false), {
    code: 1,
    stderr: /error during container init: capset: operation not permitted/,
  })
})

t.test('features: what libseccomp and the kernel have', { skip }, async (t) => {
  const b = await withBundle(t)
  const { stdout } = await b.tsrun('features')
  const { linux, annotations } = JSON.parse(stdout)
  t.match(linux.seccomp, {
    enabled: true,
    actions: ['SCMP_ACT_ALLOW', 'SCMP_ACT_ERRNO', 'SCMP_ACT_KILL'],
    operators: 'EQ GE GT LE LT MASKED_EQ NE'.split(' ').map((name) => `SCMP_CMP_${name}`),
    knownFlags: ['TSYNC', 'SPEC_ALLOW', 'LOG', 'WAIT_KILLABLE_RECV'].map(
      (name) => `SECCOMP_FILTER_FLAG_${name}`,
    ),
  })
  for (const name of ['AARCH64', 'ARM', 'PPC64LE', 'S390X', 'X32', 'X86', 'X86_64']) {
    t.ok(linux.seccomp.archs.includes(`SCMP_ARCH_${name}`), name)
  }
  t.match(annotations['io.github.seccomp.libseccomp.version'], /^2\.\d+\.\d+$/)
})
