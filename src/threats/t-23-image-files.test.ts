/** T-23, T-30, H-28 and the trace check: images that wait for the runtime to read them. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

/** What libraries like to read on the way. Fifos: who opens one waits for ever. */
const BAIT = [
  'etc/ld.so.preload',
  'etc/ld.so.cache',
  'etc/nsswitch.conf',
  'etc/localtime',
  'etc/group',
  'etc/ssl/openssl.cnf',
  'lib/libnss_files.so.2',
  'lib/x86_64-linux-gnu/libc.so.6',
  'lib64/ld-linux-x86-64.so.2',
]

t.test(
  'T-23 nothing of the image is loaded',
  { skip: needsContainers('command strace') },
  async (t) => {
    const bundle = await withBundle(t, {
      args: ['true'],
      populate(rootfs) {
        for (const path of BAIT) {
          mkdirSync(`${rootfs}/${path}/..`.replace(/\/[^/]*\/\.\.$/, ''), { recursive: true })
          execFileSync('mkfifo', [`${rootfs}/${path}`])
        }
      },
    })
    const { code, stderr } = await bundle.shell(
      'exec timeout 30 strace -f -qq -o trace -e trace=%file $TSRUN --root $ROOT run $ID',
    )
    t.equal(code, 0, stderr)
    const lines = readFileSync(`${bundle.dir}/trace`, 'utf8').split('\n')
    const pivot = lines.findIndex((line) => line.includes('pivot_root('))
    t.ok(pivot > 0)
    const child = lines[pivot]?.split(' ')[0]
    const after = lines.slice(pivot).filter((line) => line.startsWith(`${child} `))
    const opened = after.flatMap(
      (line) => /\bopen\w*\((?:AT_FDCWD|\d+), "([^"]+)"/.exec(line)?.[1] ?? [],
    )
    const baits = opened.filter((path) =>
      BAIT.some((bait) => `/${bait}`.endsWith(path) && path !== ''),
    )
    t.same(baits, [])
  },
)

t.test(
  'no path of the root reaches a call that changes something',
  {
    skip: needsContainers('command strace'),
  },
  async (t) => {
    const bundle = await withBundle(t, { args: ['true'] })
    await bundle.shell('exec strace -f -qq -s 4096 -o trace $TSRUN --root $ROOT run $ID')
    const changing =
      /^\d+ +(open\w*\(.*O_CREAT|mkdir|mknod|symlink|link|unlink|rmdir|rename|mount\(|umount|chmod|fchmodat|chown|fchownat|move_mount|open_tree|pivot_root|truncate)/
    const lines = readFileSync(`${bundle.dir}/trace`, 'utf8').split('\n')
    t.ok(lines.some((line) => line.includes('pivot_root(')))
    const bad = lines.filter((line) => changing.test(line) && line.includes(`"${bundle.rootfs}`))
    t.same(bad, [])
  },
)

t.test('T-30 long chains and deep documents end in an error, soon', { skip }, async (t) => {
  const bundle = await withBundle(t, {
    populate(rootfs) {
      for (let i = 0; i < 200; i++) symlinkSync(`l${i + 1}`, `${rootfs}/l${i}`)
      symlinkSync('self', `${rootfs}/self`)
    },
  })
  const destinations = ['/l0', '/l0/x', '/self/x', `/${'d/'.repeat(2100)}`, `/${'n'.repeat(300)}`]
  for (const destination of destinations) {
    bundle.reconfigure((spec) => {
      spec.mounts.push({ destination, type: 'tmpfs' })
    })
    const { code, stderr } = await bundle.shell('exec timeout 30 $TSRUN --root $ROOT run $ID')
    t.equal(code, 1, destination.slice(0, 20))
    t.match(stderr, /too many levels of symbolic links|file name too long|too many/i)
  }
  const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`
  for (const text of [deep, '['.repeat(1_000_000), `{"a":"${'x'.repeat(50 << 20)}"}`]) {
    writeFileSync(`${bundle.dir}/config.json`, text)
    const { code } = await bundle.shell('exec timeout 30 $TSRUN --root $ROOT run $ID')
    t.equal(code, 1, text.slice(0, 10))
  }
})

t.test('H-28 no mount is ever seen on the host', { skip }, async (t) => {
  const bundle = await withBundle(t, { args: ['true'] })
  let samples = 0
  const seen = new Set<string>()
  const sample = (): void => {
    samples++
    for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
      if (line.includes(bundle.dir)) seen.add(line)
    }
  }
  const timer = setInterval(sample, 1)
  try {
    for (let i = 0; i < 30; i++) t.equal((await bundle.tsrun('run', bundle.id)).code, 0)
  } finally {
    clearInterval(timer)
  }
  t.same([...seen], [])
  t.ok(samples > 30)
})
