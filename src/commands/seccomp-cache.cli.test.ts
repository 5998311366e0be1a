import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { LinuxSeccomp } from '../../spec/generated/config.ts'
import { NR } from '../sys/numbers.ts'
import { type Teardown, type TestBundle, withBundle } from '../testing/bundle.ts'
import { writeCalls } from '../testing/calls.ts'
import { run, shell } from '../testing/cli.ts'
import { needs, needsContainers } from '../testing/needs.ts'

const skip = needsContainers('libseccomp')
const DENIED = { code: 255, stderr: 'call: operation not permitted\n' }

/** A container that makes one call, which its filter denies. */
function deniedCall(t: Teardown, names: readonly string[] = ['getppid']): Promise<TestBundle> {
  return withBundle(t, {
    args: ['/call'],
    populate: (rootfs) => writeCalls(join(rootfs, 'call'), { nr: NR.getppid }),
    configure: ({ linux }) => {
      linux.seccomp = denying(names)
    },
  })
}

function denying(names: readonly string[]): LinuxSeccomp {
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: [...names], action: 'SCMP_ACT_ERRNO' }],
  }
}

/** Files of the cache. */
function entries(b: TestBundle): string[] {
  const dir = join(b.root, '@seccomp')
  return existsSync(dir) ? readdirSync(dir).map((name) => join(dir, name)) : []
}

t.test('compiled once, then read; no command minds it', { skip }, async (t) => {
  const b = await deniedCall(t)
  t.match(await b.tsrun('run', b.id), DENIED)
  const [entry = ''] = entries(b)
  const inode = statSync(entry).ino
  t.match(await b.tsrun('run', b.id), DENIED)
  t.equal(statSync(entry).ino, inode, 'not written again')
  t.equal(statSync(join(b.root, '@seccomp')).mode & 0o7777, 0o700)
  t.same(await b.tsrun('list', '-q'), { code: 0, stdout: '', stderr: '' })
  t.equal((await b.tsrun('create', b.id)).code, 0)
  t.same(await b.tsrun('list', '-q'), { code: 0, stdout: `${b.id}\n`, stderr: '' })
  t.equal((await b.tsrun('delete', '--force', b.id)).code, 0)
  for (const command of ['state', 'delete', 'start', 'create']) {
    t.match(await b.tsrun(command, '@seccomp'), { code: 1, stderr: /invalid container ID format/ })
  }
  t.equal(statSync(entry).ino, inode)
  b.reconfigure(({ linux }) => {
    linux.seccomp = denying(['getppid', 'getpgid'])
  })
  t.match(await b.tsrun('run', b.id), DENIED)
  t.equal(entries(b).length, 2, 'another profile')
})

t.test(
  'from the cache, libseccomp is not even loaded',
  { skip: skip || needs('command strace') },
  async (t) => {
    const b = await deniedCall(t)
    const trace = (file: string) =>
      b.shell(`strace -f -e trace=openat,open -o ${file} "$TSRUN" --root "$ROOT" run "$ID"`)
    t.match(await trace('first'), DENIED)
    t.match(await trace('second'), DENIED)
    t.match(readFileSync(join(b.dir, 'first'), 'utf8'), /libseccomp\.so\.2/)
    t.notMatch(readFileSync(join(b.dir, 'second'), 'utf8'), /libseccomp\.so/)
  },
)

t.test('an entry that says something else is not used, and replaced', { skip }, async (t) => {
  const b = await deniedCall(t)
  t.match(await b.tsrun('run', b.id), DENIED)
  const [entry = ''] = entries(b)
  const good = readFileSync(entry)
  const tampered: Record<string, Buffer> = {
    'all is allowed': Buffer.from(
      good.toString('latin1').replace('\x01\0\x05\0', '\0\0\xff\x7f'),
      'latin1',
    ),
    'cut off': good.subarray(0, good.length - 8),
    empty: Buffer.alloc(0),
    garbage: Buffer.alloc(good.length, 0xa5),
  }
  for (const [what, bytes] of Object.entries(tampered)) {
    t.notSame(bytes, good)
    writeFileSync(entry, bytes)
    t.match(await b.tsrun('run', b.id), DENIED, what)
    t.same(readFileSync(entry), good, `${what}: replaced`)
  }
})

t.test('neither is one that another could have put there', { skip }, async (t) => {
  const b = await deniedCall(t)
  t.match(await b.tsrun('run', b.id), DENIED)
  const scripts: Record<string, string> = {
    'of another': 'chown 1000 "$1"',
    'for all to write': 'chmod 666 "$1"',
    'a link': 'mv "$1" "$1.moved" && ln -s "$1.moved" "$1"',
    'a second name': 'ln "$1" "$1.second"',
    'a fifo': 'rm "$1" && mkfifo -m 600 "$1"',
  }
  for (const [what, script] of Object.entries(scripts)) {
    const [entry = ''] = entries(b)
    t.equal((await run(shell(script, entry))).code, 0)
    const outcome = await b.tsrun('--debug', 'run', b.id)
    t.equal(outcome.code, DENIED.code)
    t.equal(statSync(entry).mode & 0o177777, 0o100600, `${what}: replaced`)
    t.equal(statSync(entry).uid, 0)
    t.equal((await run(shell('rm -f "$1"/*', join(b.root, '@seccomp')))).code, 0)
    t.match(await b.tsrun('run', b.id), DENIED)
  }
  for (const script of ['chown 1000 "$1"', 'chmod 777 "$1"', 'rm -r "$1" && ln -s /tmp "$1"']) {
    t.equal((await run(shell(script, join(b.root, '@seccomp')))).code, 0)
    t.match(await b.tsrun('run', b.id), DENIED, script)
  }
})

t.test('a state root that nothing can be kept in', { skip }, async (t) => {
  const b = await deniedCall(t)
  t.equal((await b.shell('mkdir -p "$ROOT" && : > "$ROOT/@seccomp"')).code, 0)
  t.match(await b.tsrun('run', b.id), DENIED)
  t.match(await b.tsrun('run', b.id), DENIED)
})

/** Runs `script` where libseccomp is not: in a mount namespace of its own. */
const WITHOUT =
  "unshare -m sh -ec 'for lib in $(ls -d /usr/lib/*-linux-gnu /usr/lib64 /usr/lib 2>/dev/null); do " +
  'if [ -e $lib/libseccomp.so.2 ]; then mkdir -p w; mount -t tmpfs w w; mkdir w/u w/w; ' +
  'mount -t overlay -o lowerdir=$lib,upperdir=w/u,workdir=w/w o $lib; ' +
  'rm -f $lib/libseccomp.so*; fi; done; "$TSRUN" --root "$ROOT" "$@"\' sh '

t.test('without libseccomp: an error, unless the cache has the filter', { skip }, async (t) => {
  const b = await deniedCall(t)
  const probe = await b.shell(`${WITHOUT} --version`)
  if (probe.code !== 0) {
    t.pass(`no overlay file system here: ${probe.stderr}`)
    return
  }
  const missing = await b.shell(`${WITHOUT} run "$ID"`)
  t.equal(missing.code, 1)
  t.match(missing.stderr, /cannot use seccomp without libseccomp\.so\.2/)
  t.match(await b.tsrun('run', b.id), DENIED)
  t.match(await b.shell(`${WITHOUT} run "$ID"`), DENIED)
  const { stdout } = await b.shell(`${WITHOUT} features`)
  t.same(JSON.parse(stdout).linux.seccomp, { enabled: false })
  b.reconfigure(({ process }) => {
    process.args = ['true']
  })
  t.match(await b.shell(`${WITHOUT} run "$ID"`), { code: 0 }, 'without a filter')
})
