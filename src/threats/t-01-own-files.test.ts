/** T-01: nothing in a container can write the files of tsrun. */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { programPath } from '../testing/cli.ts'
import { eventually, processesNaming } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

/** A copy of the program that may be harmed; the tests of this file use it. */
function copyOfProgram(): string {
  const from = dirname(programPath())
  const to = mkdtempSync(join(tmpdir(), 'tsrun-copy-'))
  for (const name of readdirSync(from)) {
    if (!statSync(join(from, name)).isFile()) continue
    copyFileSync(join(from, name), join(to, name))
    chmodSync(join(to, name), 0o755)
  }
  return to
}

const copy = skip === false ? copyOfProgram() : ''
if (copy !== '') process.env.TSRUN = join(copy, 'tsrun')
t.teardown(() => copy !== '' && rmSync(copy, { recursive: true }))

function fingerprint(): string[] {
  return readdirSync(copy).map((name) => {
    const { size, mtimeMs, ino } = statSync(join(copy, name))
    const hash = createHash('sha256')
      .update(readFileSync(join(copy, name)))
      .digest('hex')
    return [name, ino, size, mtimeMs, hash].join(' ')
  })
}

t.test('T-01 CVE-2019-5736 the program /proc/self/exe is not tsrun', { skip }, async (t) => {
  const before = fingerprint()
  for (const args of [['/proc/self/exe'], ['/script'], ['/proc/self/exe', 'list']]) {
    const bundle = await withBundle(t, {
      args,
      populate: (rootfs) =>
        writeFileSync(`${rootfs}/script`, '#!/proc/self/exe\n', { mode: 0o755 }),
    })
    const { stdout } = await bundle.tsrun('run', bundle.id)
    t.equal(stdout, '', args.join(' '))
  }
  t.same(fingerprint(), before)
})

t.test('T-01 CVE-2019-5736 a waiting container shows no file of tsrun', { skip }, async (t) => {
  const bundle = await withBundle(t)
  await bundle.tsrun('create', bundle.id)
  const { pid } = await bundle.state()
  t.notOk(readFileSync(`/proc/${pid}/maps`, 'utf8').includes(copy))
  t.equal(statSync(`/proc/${pid}/fd`).uid, 0)
  t.equal(statSync(`/proc/${pid}/fd`).mode & 0o077, 0)
})

/**
 * Holds on to whatever file of a tsrun it gets to see, and tries to append to it. Command lines
 * tell which processes those are: their executable is on a mount without a name.
 */
const LOOPER = `
  hold() {
    exec 3<"$1" || return
    for i in 1 2 3 4 5 6 7 8; do echo harmed >>/proc/self/fd/3 && echo "HARMED $1"; done
  }
  touch /tmp/ready
  while [ ! -e /tmp/stop ]; do
    for p in /proc/[0-9]*; do
      grep -q tsrun-copy- $p/cmdline || continue
      touch /tmp/seen
      hold $p/exe
      for f in $p/map_files/*; do
        case $(readlink $f) in *tsrun*|*koffi*) hold $f ;; esac
      done
    done
  done 2>/dev/null`

t.test(
  'T-01 CVE-2019-5736 a neighbour that sees the processes of tsrun cannot write its files',
  {
    skip,
  },
  async (t) => {
    const before = fingerprint()
    const neighbour = await withBundle(t, {
      args: ['sh', '-c', LOOPER],
      configure(spec) {
        spec.root.readonly = false
        spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'pid')
      },
    })
    const looper = neighbour.launch('run', neighbour.id)
    await eventually('looper', () =>
      statSync(`${neighbour.rootfs}/tmp/ready`, { throwIfNoEntry: false }),
    )
    const bundle = await withBundle(t, { args: ['/proc/self/exe'] })
    const until = performance.now() + 8000
    while (performance.now() < until) {
      await bundle.tsrun('run', bundle.id)
      await neighbour.tsrun('exec', neighbour.id, 'true')
      await neighbour.tsrun('exec', neighbour.id, '/proc/self/exe', 'list')
    }
    writeFileSync(`${neighbour.rootfs}/tmp/stop`, '')
    const { stdout } = await looper.ended
    t.equal(stdout, '')
    t.ok(statSync(`${neighbour.rootfs}/tmp/seen`).isFile(), 'it has seen one')
    t.same(fingerprint(), before)
  },
)

t.test(
  'T-01 CVE-2019-5736 a running tsrun has its files from a mount that is read-only',
  { skip },
  async (t) => {
    const bundle = await withBundle(t, { args: ['sleep', '30'] })
    const running = bundle.launch('run', bundle.id)
    await eventually('the container runs', async () =>
      (await bundle.tsrun('state', bundle.id)).stdout.includes('"running"'),
    )
    const pid = processesNaming(bundle.id).find((p) => cwdOf(p) === bundle.dir)
    t.ok(pid, 'the tsrun that waits for it')
    const own = readdirSync(`/proc/${pid}/map_files`)
      .map((name) => `/proc/${pid}/map_files/${name}`)
      .filter((link) => /tsrun|koffi/.test(readlinkSync(link)))
    const names = new Set(own.map((link) => basename(readlinkSync(link))))
    t.same([...names].sort(), ['koffi.node', 'tsrun.engine'])
    for (const link of [`/proc/${pid}/exe`, ...own]) {
      t.throws(() => openSync(link, 'r+'), { code: /^(EROFS|ETXTBSY)$/ }, readlinkSync(link))
    }
    t.throws(() => openSync(own.find((l) => readlinkSync(l).includes('koffi')) ?? '', 'r+'), {
      code: 'EROFS',
    })
    await bundle.tsrun('kill', bundle.id, 'KILL')
    await running.ended
  },
)

function cwdOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return ''
  }
}
