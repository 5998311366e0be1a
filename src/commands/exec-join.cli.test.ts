/** How a further process gets into its container: cgroups, and what can be seen of it on the way. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { running, withBundle } from '../testing/bundle.ts'
import { cgroupPath, hierarchyOf, isUnified, readCgroup, writeCgroup } from '../testing/cgroups.ts'
import { further } from '../testing/exec.ts'
import {
  allPids,
  cgroupsOf,
  eventually,
  isRunning,
  namespaceOf,
  processStatus,
} from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import { slowness } from '../testing/slowness.ts'

const skip = needsContainers()
const skipV1 = skip || (isUnified && 'needs cgroup v1')
const skipV2 = skip || (!isUnified && 'needs cgroup v2')

t.test('it is in every cgroup of the container', { skip }, async (t) => {
  const b = await withBundle(t)
  const first = await running(b, () => {})
  const own = cgroupsOf(first)
  t.ok([...own.values()].every((path) => path.endsWith(b.id)))
  t.same(cgroupsOf(await further(b)), own)
  t.same(cgroupsOf(await further(b, '--cgroup', '/')), own)
})

t.test('--cgroup on version 1', { skip: skipV1 }, async (t) => {
  const b = await withBundle(t)
  const first = await running(b, () => {})
  const own = cgroupsOf(first)
  const memory = cgroupPath(first, 'memory')
  const pids = cgroupPath(first, 'pids')
  mkdirSync(join(memory, 'sub'))
  mkdirSync(join(pids, 'deep/er'), { recursive: true })
  t.teardown(() => b.tsrun('kill', b.id, 'KILL'))

  const some = cgroupsOf(await further(b, '--cgroup', 'memory:sub', '--cgroup', 'pids:/deep/er'))
  for (const [controllers, path] of own) {
    const sub = controllers === 'memory' ? '/sub' : controllers === 'pids' ? '/deep/er' : ''
    t.equal(some.get(controllers), `${path}${sub}`, controllers)
  }
  const missing = await b.tsrun('exec', '--cgroup', 'sub', b.id, 'true')
  t.equal(missing.code, 255, 'not in every hierarchy')
  t.match(missing.stderr, /error adding pid \d+ to cgroups: .*no such file or directory/)
  t.match(await b.tsrun('exec', '--cgroup', 'memory:none', b.id, 'true'), {
    code: 255,
    stderr: /error adding pid \d+ to cgroups: .*no such file or directory/,
  })
  for (const controllers of own.keys()) {
    if (controllers === '') continue
    const hierarchy = hierarchyOf(controllers.replace(/^name=|,.*/g, ''))
    const above = join(hierarchy, own.get(controllers) ?? '')
    mkdirSync(join(above, 'sub'), { recursive: true })
    if (!controllers.split(',').includes('cpuset')) continue
    // takes no process without
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      writeCgroup(join(above, 'sub'), file, readCgroup(above, file))
    }
  }
  const all = cgroupsOf(await further(b, '--cgroup', 'sub'))
  for (const [controllers, path] of own) {
    t.equal(all.get(controllers), controllers === '' ? path : `${path}/sub`, controllers)
  }
})

t.test('--cgroup on version 2', { skip: skipV2 }, async (t) => {
  const b = await withBundle(t)
  const first = await running(b, () => {})
  const own = cgroupsOf(first).get('')
  const path = cgroupPath(first, '')
  mkdirSync(join(path, 'sub'))
  t.equal(cgroupsOf(await further(b, '--cgroup', 'sub')).get(''), `${own}/sub`)
  t.match(await b.tsrun('exec', '--cgroup', 'none', b.id, 'true'), {
    code: 255,
    stderr: /error adding pid \d+ to cgroups: .*no such file or directory/,
  })
})

t.test('a container that has moved itself down, on version 2', { skip: skipV2 }, async (t) => {
  const b = await withBundle(t)
  const first = await running(b, () => {})
  const path = cgroupPath(first, '')
  mkdirSync(join(path, 'below'))
  writeCgroup(join(path, 'below'), 'cgroup.procs', `${first}`)
  writeCgroup(path, 'cgroup.subtree_control', '+memory')
  const own = cgroupsOf(first).get('')
  t.equal(cgroupsOf(await further(b)).get(''), own, 'where its first process is')
  t.match(await b.tsrun('exec', '--cgroup', '/', b.id, 'true'), {
    code: 255,
    stderr: /error adding pid \d+ to cgroups: .*device or resource busy/,
  })
})

t.test('no --cgroup leads out of the container (T-27)', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  for (const path of ['..', '../x', '/..', 'a/../../b', 'a/..']) {
    const { code, stderr } = await b.tsrun('exec', '--cgroup', path, b.id, 'true')
    t.equal(code, 255, path)
    t.match(stderr, `exec failed: bad sub cgroup path: ${path}`)
  }
  t.match(await b.tsrun('exec', '--cgroup', 'cpus:a', b.id, 'true'), {
    code: 255,
    stderr: /unknown controller cpus in SubCgroupPaths/,
  })
})

t.test('the limits of the container hold', { skip }, async (t) => {
  const b = await withBundle(t)
  const first = await running(b, ({ linux }) => {
    linux.resources = { ...linux.resources, pids: { limit: 1 } }
  })
  t.equal(readCgroup(cgroupPath(first, 'pids'), 'pids.max'), '1')
  const { code, stderr } = await b.tsrun('exec', b.id, 'true')
  t.equal(code, 255)
  t.match(stderr, /exec failed: .*(clone|clone3): resource temporarily unavailable/)
  t.match(await b.state(), { status: 'running' })
})

t.test('the kernel kills it for want of memory: that is said', { skip }, async (t) => {
  const b = await withBundle(t)
  const first = await running(b, () => {})
  const limit = isUnified ? 'memory.max' : 'memory.limit_in_bytes'
  const memory = cgroupPath(first, 'memory')
  writeCgroup(memory, limit, '512K')
  if (isUnified) writeCgroup(memory, 'memory.swap.max', '0')
  const { code, stderr } = await b.tsrun('exec', b.id, 'true')
  t.equal(code, 255)
  t.match(stderr, /exec failed: unable to start container process: .*\(possibly OOM-killed\)"/)
  writeCgroup(memory, limit, '64M')
  t.match(await b.tsrun('exec', b.id, 'true'), { code: 0, stderr: '' })
})

/** Directories by what they are, whatever their path. */
function identity(path: string): string {
  const { dev, ino } = statSync(path)
  return `${dev}:${ino}`
}

const skipStrace = needsContainers('command strace')

t.test(
  'while it waits it has nothing of the host (T-01, T-08)',
  { skip: skipStrace },
  async (t) => {
    const b = await withBundle(t)
    const first = await running(b, ({ process }) => {
      process.user = { uid: 1000, gid: 1000 }
    })
    const before = new Set(allPids())
    // what lets the program run is held up
    const exec = b.shell(
      `exec strace -qq -o /dev/null -e trace=sendto -e inject=sendto:delay_enter=${1e6 * slowness()} $TSRUN --root $ROOT exec $ID true`,
    )
    const pid = await eventually('it is born', () =>
      allPids().find((one) => !before.has(one) && isWaiting(one, first)),
    )
    t.equal(readlinkSync(`/proc/${pid}/exe`), '/memfd:tsrun (deleted)')
    t.notMatch(readFileSync(`/proc/${pid}/maps`, 'utf8'), /engine|tsrun\/|koffi/)
    t.equal(identity(`/proc/${pid}/root`), identity(`/proc/${first}/root`))
    t.equal(identity(`/proc/${pid}/cwd`), identity(`/proc/${first}/cwd`))
    const others = readdirSync(`/proc/${pid}/fd`).filter((name) => Number(name) > 2)
    t.equal(others.length, 1)
    t.match(readlinkSync(`/proc/${pid}/fd/${others[0]}`), /^socket:/)
    t.equal(processStatus(pid, 'Uid'), '1000\t1000\t1000\t1000')
    // the kernel takes them from a user other than root with the execve
    t.equal(processStatus(pid, 'CapPrm'), processStatus(first, 'CapBnd'), 'no more than configured')
    t.equal(statSync(`/proc/${pid}/fd`).uid, 0, 'not dumpable')
    for (const kind of ['mnt', 'pid', 'net', 'uts', 'ipc']) {
      t.equal(namespaceOf(pid, kind), namespaceOf(first, kind), kind)
    }
    t.match(await exec, { code: 0, stderr: '' })
  },
)

/** In the container of `first`: other tests have such processes, too. */
function isWaiting(pid: number, first: number): boolean {
  try {
    return (
      readFileSync(`/proc/${pid}/comm`, 'utf8') === 'tsrun:init\n' &&
      namespaceOf(pid, 'pid') === namespaceOf(first, 'pid') &&
      hasNoParent(pid)
    )
  } catch {
    return false
  }
}

/** The one that gives birth to it has the same name, but it is not in the pid namespace. */
function hasNoParent(pid: number): boolean {
  return processStatus(pid, 'NSpid').includes('\t') && processStatus(pid, 'State').startsWith('S')
}

t.test('no process but those in the pid namespace is seen there', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  const watch =
    'while [ ! -e /dev/stop ]; do for f in /proc/[0-9]*/exe /proc/[0-9]*/cwd; do readlink $f; done; done'
  const watcher = b.launch('exec', '-u', '0', b.id, 'sh', '-c', watch)
  await eventually('it watches', () => watcher.stdout().includes('busybox'))
  for (let i = 0; i < 20; i++) await b.tsrun('exec', b.id, 'true')
  await b.tsrun('exec', b.id, 'touch', '/dev/stop')
  const { stdout } = await watcher.ended
  const seen = new Set(stdout.split('\n').filter(Boolean))
  t.same(
    [...seen].filter((line) => !['/', '/bin/busybox', '/memfd:tsrun (deleted)'].includes(line)),
    [],
  )
})

t.test('a namespace at a time, as before Linux 5.8', { skip: skipStrace }, async (t) => {
  const b = await withBundle(t)
  const first = await running(b, ({ linux }) => {
    const types = ['pid', 'network', 'ipc', 'uts', 'mount', 'cgroup', 'time']
    linux.namespaces = types.map((type) => ({ type }))
  })
  const kinds = ['mnt', 'pid', 'net', 'uts', 'ipc', 'cgroup', 'time']
  const { code, stdout, stderr } = await b.shell(
    `exec strace -f -qq -o log -e trace=setns -e inject=setns:error=EINVAL:when=1 $TSRUN --root $ROOT exec $ID sh -c '
      for kind in ${kinds.join(' ')}; do readlink /proc/self/ns/$kind; done'`,
  )
  t.match({ code, stderr }, { code: 0, stderr: '' })
  t.same(
    stdout.split('\n').filter(Boolean),
    kinds.map((kind) => namespaceOf(first, kind)),
  )
  const log = readFileSync(join(b.dir, 'log'), 'utf8')
  t.match(log, /EINVAL.*INJECTED/)
  t.equal(log.match(/setns\(.* = 0$/gm)?.length, kinds.length)
})

t.test('another process with the number of the first one (T-32)', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  const path = join(b.root, b.id, 'state.json')
  const text = readFileSync(path, 'utf8')
  const state = JSON.parse(text) as { pid: number }
  writeFileSync(path, JSON.stringify({ ...state, pid: process.pid }))
  t.match(await b.tsrun('exec', b.id, 'true'), {
    code: 255,
    stderr: /cannot exec in a stopped container/,
  })
  writeFileSync(path, text)
})

t.test('a container that is being created is waited for', { skip }, async (t) => {
  const b = await withBundle(t)
  const marker = join(b.dir, 'hook')
  b.reconfigure((spec) => {
    const script = `touch ${marker}; sleep 0.5; rm ${marker}`
    spec.hooks = { createRuntime: [{ path: '/bin/sh', args: ['sh', '-c', script] }] }
  })
  const created = b.tsrun('create', b.id)
  await eventually('its hook runs', () => existsSync(marker))
  // the host's files are still there for the first process
  const exec = await b.tsrun('exec', b.id, '/bin/busybox', 'ls', marker)
  t.match(exec, { code: 1, stdout: '', stderr: /No such file/ })
  t.notOk(existsSync(marker))
  t.match(await created, { code: 0 })
})

t.test('a working directory through a descriptor is refused (T-09)', { skip }, async (t) => {
  const b = await withBundle(t, {
    populate: (rootfs) => symlinkSync('/proc/self/fd/11', join(rootfs, 'link')),
  })
  for (const hasPids of [true, false]) {
    await running(b, ({ linux }) => {
      if (!hasPids) linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'pid')
    })
    const paths = Array.from({ length: 18 }, (_, i) => `/proc/self/fd/${i + 3}`)
    for (const path of [...paths, '/proc/self/cwd', '/link']) {
      const { code, stdout, stderr } = await b.tsrun('exec', '--cwd', path, b.id, 'pwd')
      t.match({ code, stdout }, { code: 255, stdout: '' }, path)
      t.match(stderr, /chdir to cwd .* set in config.json failed/)
    }
    const program = await b.tsrun('exec', b.id, '/proc/self/exe')
    t.match(program, { code: 255, stdout: '' }, '/proc/self/exe')
  }
})

t.test(
  'tsrun is killed before the program runs: it never does',
  { skip: skipStrace },
  async (t) => {
    const b = await withBundle(t)
    const first = await running(b, () => {})
    const before = new Set(allPids())
    const held = b.shell(
      'exec strace -qq -o /dev/null -e trace=sendto -e inject=sendto:delay_enter=5000000 $TSRUN --root $ROOT exec $ID touch /tmp/ran',
    )
    const pid = await eventually('it is born', () =>
      allPids().find((one) => !before.has(one) && isWaiting(one, first)),
    )
    process.kill(Number(processStatus(pid, 'PPid')), 'SIGKILL')
    await held
    await eventually('it has ended', () => !isRunning(pid))
    t.equal((await b.tsrun('exec', b.id, 'ls', '/tmp')).stdout, '')
  },
)

t.test('two hundred at once', { skip }, async (t) => {
  const b = await withBundle(t)
  const first = await running(b, () => {})
  const count = slowness() > 1 ? 40 : 200
  const { code, stdout, stderr } = await b.shell(
    `for i in $(seq ${count}); do
      { $TSRUN --root $ROOT exec $ID sh -c "exit $((i % 7))" </dev/null; echo "$i $?"; } &
    done; wait`,
  )
  t.match({ code, stderr }, { code: 0, stderr: '' })
  const codes = new Map(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  )
  t.equal(codes.size, count)
  for (const [i, got] of codes) {
    if (Number(got) !== Number(i) % 7) t.fail(`exec ${i} ended with ${got}`)
  }
  t.same(JSON.parse((await b.tsrun('ps', '-f', 'json', b.id)).stdout), [first])
  for (const kind of isUnified ? [''] : ['pids', 'memory', 'freezer']) {
    const path = cgroupPath(first, kind)
    t.equal(readCgroup(path, 'cgroup.procs'), `${first}`)
    t.same(
      readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory()),
      [],
    )
  }
  const zombies = allPids().filter((pid) => {
    try {
      const isOurs = namespaceOf(pid, 'pid') === namespaceOf(first, 'pid')
      return isOurs && !isRunning(pid)
    } catch {
      return false
    }
  })
  t.same(zombies, [], basename(b.dir))
})
