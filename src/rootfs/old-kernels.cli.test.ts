/** strace makes new system calls fail as on kernels that have never heard of them. */
import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { type TestBundle, withBundle } from '../testing/bundle.ts'
import { programPath } from '../testing/cli.ts'
import { needsContainers } from '../testing/needs.ts'
import { sitDown } from '../testing/terminal.ts'

const skip = needsContainers('command strace')

const ALL = [
  'open_tree',
  'fsopen',
  'move_mount',
  'mount_setattr',
  'openat2',
  'close_range',
  'clone3',
  'faccessat2',
]

async function runWithout(bundle: TestBundle, calls: readonly string[]) {
  // what is not traced is not made to fail either
  const inject =
    calls.length === 0 ? '-e trace=none' : `-e trace=${calls} -e inject=${calls}:error=ENOSYS`
  const log = '--log=$PWD/log --log-format=json'
  return bundle.shell(
    `exec strace -f -qq -o /dev/null ${inject} $TSRUN --root $ROOT ${log} run $ID`,
  )
}

/** Without what differs from one run to the next: ids, device numbers, peer groups. */
function comparable(mountinfo: string): string[] {
  return mountinfo
    .split('\n')
    .map((line) => line.split(' ').slice(3).join(' '))
    .map((line) => line.replace(/shared:\d+/, 'shared'))
    .sort()
}

t.test('the same container without any of the newer calls', { skip }, async (t) => {
  const bundle = await withBundle(t, {
    args: ['cat', '/proc/self/mountinfo', '/copied/file', '/bound/file', '/m/file'],
    populate(rootfs) {
      for (const dir of ['copied', 'm/dir', 'bound', 'new'])
        mkdirSync(`${rootfs}/${dir}`, { recursive: true })
      writeFileSync(`${rootfs}/copied/file`, 'copied\n')
      writeFileSync(`${rootfs}/m/file`, 'SECRET\n')
    },
    configure(spec) {
      spec.mounts.push(
        { destination: '/copied', type: 'tmpfs', options: ['tmpcopyup', 'ro', 'mode=750'] },
        { destination: '/bound', source: 'volume', options: ['rbind', 'ro', 'nosuid', 'rprivate'] },
        { destination: '/bound/file', source: 'volume/file', options: ['bind', 'noexec'] },
        { destination: '/bound/kept', source: 'volume', options: ['bind', 'shared'] },
        { destination: '/new', type: 'tmpfs', options: ['sync', 'lazytime', 'noatime', 'dirsync'] },
      )
      spec.linux.maskedPaths = ['/m/file', '/m/dir', '/proc/kcore', '/proc/sys/kernel']
      spec.linux.readonlyPaths = ['/proc/sys', '/copied']
    },
  })
  mkdirSync(`${bundle.dir}/volume/kept`, { recursive: true })
  writeFileSync(`${bundle.dir}/volume/file`, 'bound\n')
  const modern = await runWithout(bundle, [])
  t.equal(modern.code, 0, modern.stderr)
  t.match(modern.stdout, /copied\nbound\n$/)
  for (const calls of [...ALL.map((call) => [call]), ALL]) {
    const { code, stdout, stderr } = await runWithout(bundle, calls)
    t.equal(code, 0, stderr)
    t.same(masks(comparable(stdout)), masks(comparable(modern.stdout)), calls.join())
  }
})

/** Masks of files are the container's own null device there, of directories a tmpfs each. */
function masks(lines: readonly string[]): string[] {
  return lines.map((line) => (/ \/(m|proc)\//.test(line) ? (line.split(' ')[1] ?? '') : line))
}

t.test('the console of a terminal without any of the newer calls', { skip }, async (t) => {
  const bundle = await withBundle(t, {
    args: ['sh', '-c', 'ls -l /dev/console; tty </dev/console'],
    configure(spec) {
      spec.process.terminal = true
    },
  })
  const inject = ['-e', `trace=${ALL}`, '-e', `inject=${ALL}:error=ENOSYS`]
  const run = [programPath(), '--root', bundle.root, 'run', bundle.id]
  const command = ['strace', '-f', '-qq', '-o', '/dev/null', ...inject, ...run]
  const { screen, ended } = sitDown(t, command, { cwd: bundle.dir })
  t.equal(await ended, 0)
  t.match(screen.text(), /^crw[-w]{7} .* 136, +0 .*\/dev\/console\r\n\/dev\/console\r\n$/)
})

t.test('recursive attributes without mount_setattr are an error', { skip }, async (t) => {
  const bundle = await withBundle(t, {
    args: ['true'],
    configure(spec) {
      spec.mounts.push({ destination: '/x', source: '/etc', options: ['rbind', 'rro'] })
    },
  })
  const { code, stderr } = await runWithout(bundle, ['mount_setattr'])
  t.not(code, 0)
  t.match(stderr, /recursive mount options need mount_setattr \(Linux 5\.12\)/)
})
