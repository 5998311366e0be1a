import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { leftovers, runner, running, type TestSpec, withBundle } from '../testing/bundle.ts'
import { processLimit } from '../testing/kernel.ts'
import { needs, needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

/** The one line of an error during the setup in the container. */
function duringInit(cause: string): { code: number; stdout: string; stderr: RegExp } {
  const prefix = 'runc run failed: unable to start container process: error during container init: '
  const text = JSON.stringify(prefix + cause).slice(1, -1)
  const exact = text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  return {
    code: 1,
    stdout: '',
    stderr: new RegExp(`^time="[^"]+" level=error msg="${exact}.*"\n$`),
  }
}

t.test('env: what config.json says, the last of duplicates, and HOME', { skip }, async (t) => {
  const print = await runner(t, {
    populate: (rootfs) =>
      writeFileSync(
        join(rootfs, 'etc/passwd'),
        'root:x:0:0::/root:/bin/sh\nu:x:1000:1::/home/u:/x\n',
      ),
  })
  const env = (list: string[], uid = 0) =>
    print(['/bin/env'], ({ process }) => {
      process.env = list
      process.user.uid = uid
    }).then(({ stdout }) => stdout.split('\n').filter(Boolean))
  t.same(await env([]), ['HOME=/root'])
  t.same(await env(['A=1', 'B=2', 'A=3']), ['B=2', 'A=3', 'HOME=/root'])
  t.same(await env(['HOME=/else', 'X=a=b', 'EMPTY=']), ['HOME=/else', 'X=a=b', 'EMPTY='])
  t.same(await env(['HOME=', 'A=1']), ['A=1', 'HOME=/root'])
  t.same(await env([], 1000), ['HOME=/home/u'])
  t.same(await env([], 1001), ['HOME=/'], 'an id that /etc/passwd does not have')
  t.same(await env(['T=é\ttab', 'N=1\n2']), ['T=é\ttab', 'N=1', '2', 'HOME=/root'])
})

t.test('env: entries that are no assignments are refused', { skip }, async (t) => {
  const b = await withBundle(t)
  for (const [entry, text] of [
    ['NOVALUE', /invalid environment variable: missing '='/],
    ['=x', /invalid environment variable: name cannot be empty/],
    ['A=\u0000', /invalid environment variable \\"A\\": contains nul byte \(\\\\x00\)/],
  ] as const) {
    b.reconfigure(({ process }) => {
      process.env = [entry]
    })
    t.match(await b.tsrun('run', b.id), { code: 1, stderr: text }, entry)
  }
})

t.test(
  'HOME: a strange /etc/passwd neither stops nor delays the container (T-16)',
  { skip },
  async (t) => {
    const shapes: Record<string, (path: string) => void> = {
      'a directory': (path) => mkdirSync(path),
      'an endless link': (path) => symlinkSync('/dev/zero', path),
      'a link to itself': (path) => symlinkSync('passwd', path),
      'broken lines': (path) => writeFileSync(path, ':::\nroot\n\u0000\nx:y:z\n'),
    }
    for (const [what, make] of Object.entries(shapes)) {
      await t.test(what, async (t) => {
        const b = await withBundle(t, {
          args: ['sh', '-c', 'echo $HOME'],
          populate: (rootfs) => make(join(rootfs, 'etc/passwd')),
        })
        t.same(await b.tsrun('run', b.id), { code: 0, stdout: '/\n', stderr: '' })
      })
    }
    await t.test('a fifo', async (t) => {
      const b = await withBundle(t, { args: ['sh', '-c', 'echo $HOME'] })
      t.equal((await b.shell('mkfifo rootfs/etc/passwd')).code, 0)
      t.same(await b.tsrun('run', b.id), { code: 0, stdout: '/\n', stderr: '' })
    })
  },
)

t.test('args: looked up by PATH of env, in the container', { skip }, async (t) => {
  const b = await withBundle(t, {
    populate: (rootfs) => {
      mkdirSync(join(rootfs, 'dir'))
      mkdirSync(join(rootfs, 'opt'))
      writeFileSync(join(rootfs, 'plain'), '#!/bin/sh\n', { mode: 0o644 })
      writeFileSync(join(rootfs, 'opt/tool'), '#!/bin/sh\necho tool "$0" "$@"\n', { mode: 0o755 })
    },
  })
  const attempt = (args: string[], path?: string, cwd = '/') => {
    b.reconfigure(({ process }) => {
      process.args = args
      process.cwd = cwd
      if (path !== undefined) process.env = path === '' ? [] : [`PATH=${path}`]
    })
    return b.tsrun('run', b.id)
  }
  t.match(await attempt(['tool', 'a b', ''], '/no:/opt'), {
    code: 0,
    stdout: 'tool /opt/tool a b \n',
  })
  t.match(await attempt(['./tool'], undefined, '/opt'), { code: 0, stdout: 'tool ./tool\n' })
  t.match(await attempt(['opt/tool']), { code: 0, stdout: 'tool opt/tool\n' })
  t.match(
    await attempt(['missing']),
    duringInit('exec: "missing": executable file not found in $PATH'),
  )
  t.match(
    await attempt(['tool'], ''),
    duringInit('exec: "tool": executable file not found in $PATH'),
  )
  t.match(
    await attempt(['/missing']),
    duringInit('exec: "/missing": stat /missing: no such file or directory'),
  )
  t.match(await attempt(['/plain']), duringInit('exec: "/plain": permission denied'))
  t.match(await attempt(['/dir']), duringInit('exec: "/dir": is a directory'))
  t.match(await attempt([]), { code: 1, stderr: /args must not be empty/ })
  t.same(leftovers(b.dir, b.root, b.id), [])
})

t.test('cwd: is made if missing, and must be inside', { skip }, async (t) => {
  const pwd = await runner(t, {
    populate: (rootfs) => writeFileSync(join(rootfs, 'file'), ''),
    configure: (spec) => {
      spec.root.readonly = false
    },
  })
  const at = (cwd: string, uid = 0) =>
    pwd(['/bin/sh', '-c', 'pwd; stat -c %a .'], (spec) => {
      spec.root.readonly = false
      spec.process.cwd = cwd
      spec.process.user = { uid, gid: uid }
    })
  t.match(await at('/tmp'), { code: 0, stdout: /^\/tmp\n/ })
  t.match(await at('/made/on/the/way'), { code: 0, stdout: '/made/on/the/way\n755\n' })
  t.match(await at('/made/for/user', 1000), { code: 0, stdout: '/made/for/user\n755\n' })
  t.match(await at('relative'), { code: 1, stderr: /Cwd must be an absolute path/ })
  t.match(await at(''), { code: 1, stderr: /Cwd property must not be empty/ })
  t.match(await at('/file'), { code: 1, stderr: /\/file.*not a directory/ })
})

t.test(
  'cwd: no descriptor of the runtime leads outside (CVE-2024-21626, T-09)',
  { skip },
  async (t) => {
    const b = await withBundle(t, {
      populate: (rootfs) => symlinkSync('/proc/self/fd/7', join(rootfs, 'w')),
    })
    const inside =
      'test "$(readlink /proc/self/cwd)" != / && echo "$(pwd -P)"; ls /config.json ../config.json ../../config.json'
    const places = ['/w', '/proc/1/fd/7', '/proc/thread-self/fd/8']
    for (let fd = 3; fd <= 20; fd++) places.push(`/proc/self/fd/${fd}`)
    for (const cwd of places) {
      b.reconfigure(({ process }) => {
        process.cwd = cwd
        process.args = ['/bin/sh', '-c', inside]
      })
      const { code, stdout, stderr } = await b.tsrun('run', b.id)
      t.not(code, 0, cwd)
      t.notMatch(stdout, /config\.json/, 'nothing of the bundle is in reach')
      t.notMatch(stderr, /unreachable/)
    }
    t.same(leftovers(b.dir, b.root, b.id), [])
  },
)

t.test('rlimits: from the file to the kernel, digit for digit', { skip }, async (t) => {
  const b = await withBundle(t)
  const infinity = '18446744073709551615'
  const large = '9223372036854775809'
  b.reconfigure(({ process }) => {
    process.rlimits = [
      { type: 'RLIMIT_NOFILE', soft: 100, hard: 200 },
      { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
      { type: 'RLIMIT_FSIZE', soft: 111, hard: 222 },
      { type: 'RLIMIT_RTTIME', soft: 333, hard: 333 },
    ]
  })
  // numbers beyond 2^53, which JavaScript cannot hold, take their places in the text
  const outcome = await b.shell(
    `sed -i 's/"soft": 111/"soft": ${large}/; s/"hard": 222/"hard": ${infinity}/; ` +
      `s/"hard": 333/"hard": ${infinity}/' config.json && exec "$TSRUN" --root "$ROOT" create "$ID"`,
  )
  t.match(outcome, { code: 0, stderr: '' })
  const { pid } = await b.state()
  t.same(processLimit(pid, 'Max open files'), { soft: '100', hard: '200' })
  t.same(processLimit(pid, 'Max core file size'), { soft: '0', hard: '0' })
  t.same(processLimit(pid, 'Max file size'), { soft: large, hard: 'unlimited' })
  t.same(processLimit(pid, 'Max realtime timeout'), { soft: '333', hard: 'unlimited' })
})

t.test('rlimits: what the kernel or the specification refuses', { skip }, async (t) => {
  const go = await runner(t)
  const limits = (rlimits: NonNullable<TestSpec['process']['rlimits']>) =>
    go(['true'], ({ process }) => {
      process.rlimits = rlimits
    })
  const nofile = { type: 'RLIMIT_NOFILE', soft: 10, hard: 10 } as const
  t.match(await limits([nofile, nofile]), { code: 1, stderr: /RLIMIT_NOFILE/ })
  t.match(await limits([{ ...nofile, soft: 20 }]), {
    code: 1,
    stderr: /invalid argument|exceeds|soft/,
  })
  t.match(await limits([{ ...nofile, type: 'RLIMIT_NOSUCH' as 'RLIMIT_AS' }]), {
    code: 1,
    stderr: /RLIMIT_NOSUCH/,
  })
})

t.test('oomScoreAdj: set, or left as the caller has it (H-12)', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['cat', '/proc/self/oom_score_adj'] })
  const script = 'echo 123 > /proc/self/oom_score_adj; exec "$TSRUN" --root "$ROOT" run "$ID"'
  t.match(await b.shell(script), { code: 0, stdout: '123\n' })
  b.reconfigure(({ process }) => {
    process.oomScoreAdj = 500
  })
  t.match(await b.shell(script), { code: 0, stdout: '500\n' })
})

t.test('scheduler, ioPriority and personality', { skip: skip || needs('python3') }, async (t) => {
  const b = await withBundle(t)
  const pid = await running(b, (spec) => {
    spec.process.scheduler = { policy: 'SCHED_BATCH', nice: 7 }
    spec.process.ioPriority = { class: 'IOPRIO_CLASS_BE', priority: 6 }
    spec.linux.personality = { domain: 'LINUX32' }
  })
  const { stdout } = await b.shell(
    `chrt -p ${pid} | head -n 1; ionice -p ${pid}; cat /proc/${pid}/personality; ` +
      `awk '{print $19}' /proc/${pid}/stat`,
  )
  t.match(stdout, /SCHED_BATCH\nbest-effort: prio 6\n00000008\n7\n/)
  const refused: ((spec: TestSpec) => void)[] = [
    ({ process }) => {
      process.scheduler = { policy: 'SCHED_OTHER', priority: 5 }
    },
    ({ process }) => {
      process.scheduler = { policy: 'SCHED_OTHER', nice: 20 }
    },
    ({ process }) => {
      process.ioPriority = { class: 'IOPRIO_CLASS_BE', priority: 8 }
    },
    ({ linux }) => {
      linux.personality = { domain: 'LINUX64' as 'LINUX' }
    },
  ]
  for (const change of refused) {
    b.reconfigure(change)
    const outcome = await b.tsrun('create', `${b.id}-2`)
    t.equal(outcome.code, 1)
    t.match(outcome.stderr, /level=error/)
  }
})

t.test('a program is looked up with the rights of its user', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: ['/private'],
    populate: (rootfs) => {
      writeFileSync(join(rootfs, 'private'), '#!/bin/sh\n')
      chmodSync(join(rootfs, 'private'), 0o700)
    },
    configure: ({ process }) => {
      process.user = { uid: 1000, gid: 1000 }
    },
  })
  t.match(await b.tsrun('run', b.id), duringInit('exec: "/private": permission denied'))
})

t.test(
  'args: may be executed by whom the process will be, with its capabilities',
  { skip },
  async (t) => {
    const b = await withBundle(t, {
      populate(rootfs) {
        for (const [name, mode, uid] of [
          ['of-root', 0o744, 0],
          ['of-another', 0o700, 1000],
        ] as const) {
          writeFileSync(join(rootfs, name), '#!/bin/sh\necho ran\n')
          chownSync(join(rootfs, name), uid, uid)
          chmodSync(join(rootfs, name), mode)
        }
      },
    })
    const attempt = (path: string, uid: number, set: string[]) => {
      b.reconfigure(({ process }) => {
        process.args = [path]
        process.user = { uid, gid: uid }
        process.capabilities = {
          bounding: set,
          effective: set,
          permitted: set,
          inheritable: set,
          ambient: set,
        }
      })
      return b.tsrun('run', b.id)
    }
    t.match(await attempt('/of-root', 1000, []), duringInit('exec: "/of-root": permission denied'))
    t.match(await attempt('/of-root', 1000, ['CAP_DAC_OVERRIDE']), { code: 0, stdout: 'ran\n' })
    t.match(
      await attempt('/of-another', 0, []),
      duringInit('exec: "/of-another": permission denied'),
    )
    t.match(await attempt('/of-another', 0, ['CAP_DAC_OVERRIDE']), { code: 0, stdout: 'ran\n' })
  },
)
