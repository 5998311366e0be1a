/** T-23: files of the image that wait for the runtime to read them. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

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

function layBait(rootfs: string): void {
  for (const path of BAIT) {
    mkdirSync(dirname(`${rootfs}/${path}`), { recursive: true })
    execFileSync('mkfifo', [`${rootfs}/${path}`])
  }
}

t.test(
  'T-23 CVE-2019-14271, CVE-2015-1334 nothing of the image is loaded',
  { skip: needsContainers('command strace') },
  async (t) => {
    const bundle = await withBundle(t, {
      args: ['true'],
      populate: layBait,
    })
    const { code, stderr } = await bundle.shell(
      'exec timeout -k 1 30 strace -f -qq -o trace -e trace=%file $TSRUN --root $ROOT run $ID',
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
  'T-23 CVE-2019-14271, CVE-2015-1334 nor by who looks in later',
  { skip: needsContainers() },
  async (t) => {
    const bundle = await withBundle(t, { populate: layBait })
    t.equal((await bundle.tsrun('run', '-d', bundle.id)).code, 0)
    for (const words of ['exec $ID true', 'ps $ID', 'state $ID', 'events --stats $ID', 'list']) {
      // who opens a fifo that nobody writes waits until it is ended
      const { code, stderr } = await bundle.shell(
        `exec timeout -k 1 30 $TSRUN --root $ROOT ${words}`,
      )
      t.equal(code, 0, `${words}: ${stderr}`)
    }
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
