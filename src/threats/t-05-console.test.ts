/** T-05: links of the image in place of devices make no standard stream of a file. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { makeDecoy, withoutMounts } from '../rootfs/testing.ts'
import { type TestBundle, type TestSpec, withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'
import { ConsoleSocket } from '../testing/terminal.ts'

const skip = needsContainers()

/** What standard input must be, and is not where this ends with 77. */
const CHECK = ['sh', '-c', '[ "$(stat -L -c %t:%T /proc/self/fd/0)" = 1:3 ] || exit 77']

/** A bundle with the devices of the image, and a user other than root. */
async function ownDevices(
  t: Parameters<typeof withBundle>[0],
  target: string,
  populate: (rootfs: string) => void,
  change: (spec: TestSpec) => void = () => {},
): Promise<TestBundle> {
  return withBundle(t, {
    args: CHECK,
    populate(rootfs) {
      mkdirSync(dirname(`${rootfs}${target}`), { recursive: true })
      writeFileSync(`${rootfs}${target}`, 'keep')
      populate(rootfs)
    },
    configure(spec) {
      withoutMounts(spec, '/dev')
      spec.process.user = { uid: 1000, gid: 1000 }
      change(spec)
    },
  })
}

function ownerAndMode(path: string): string {
  const { uid, gid, mode } = statSync(path)
  return `${uid} ${gid} ${mode.toString(8)}`
}

t.test('T-05 CVE-2026-88264 a link for /dev/null gives nothing away', { skip }, async (t) => {
  const decoy = makeDecoy(t.testdir())
  const marker = `${decoy.dir}/marker`
  const before = ownerAndMode('/dev/null')
  for (const readonly of [false, true]) {
    for (const target of [marker, '/proc/sys/kernel/ostype', `../../../../../../..${marker}`]) {
      const b = await ownDevices(
        t,
        marker,
        (rootfs) => symlinkSync(target, `${rootfs}/dev/null`),
        ({ root }) => {
          root.readonly = readonly
        },
      )
      const inside = ownerAndMode(`${b.rootfs}${marker}`)
      const { code } = await b.shell(
        'exec timeout -k 1 30 $TSRUN --root $ROOT run $ID </dev/null >/dev/null',
      )
      t.not(code, 77, target)
      t.not(code, 124, 'an end')
      t.equal(ownerAndMode(`${b.rootfs}${marker}`), inside)
      t.equal(ownerAndMode('/dev/null'), before)
      t.same(decoy.check(), [])
    }
  }
})

t.test('T-05 CVE-2026-88265 nor does one that comes later, to exec', { skip }, async (t) => {
  const decoy = makeDecoy(t.testdir())
  const marker = `${decoy.dir}/marker`
  const before = ownerAndMode('/dev/null')
  const b = await ownDevices(
    t,
    marker,
    (rootfs) => execFileSync('mknod', ['-m', '666', `${rootfs}/dev/null`, 'c', '1', '3']),
    (spec) => {
      spec.root.readonly = false
      spec.process.args = ['sleep', '1000']
    },
  )
  t.equal((await b.tsrun('run', '-d', b.id)).code, 0)
  const inside = ownerAndMode(`${b.rootfs}${marker}`)
  for (const target of [marker, '/proc/1/comm']) {
    execFileSync('ln', ['-sf', target, `${b.rootfs}/dev/null`])
    const words = CHECK.map((word) => `'${word}'`).join(' ')
    const { code } = await b.shell(
      `timeout -k 1 30 $TSRUN --root $ROOT exec $ID ${words} </dev/null`,
    )
    t.not(code, 77, target)
    t.equal(ownerAndMode(`${b.rootfs}${marker}`), inside)
    t.equal(ownerAndMode('/dev/null'), before)
    t.same(decoy.check(), [])
  }
})

t.test('T-05 CVE-2025-52565 a link for the console makes no file', { skip }, async (t) => {
  const decoy = makeDecoy(t.testdir())
  const names = readdirSync(decoy.dir)
  for (const target of [`${decoy.dir}/new`, `${decoy.dir}/marker`, '/proc/sys/kernel/ostype']) {
    const b = await withBundle(t, {
      populate(rootfs) {
        mkdirSync(`${rootfs}/dev/pts`)
        symlinkSync(target, `${rootfs}/dev/console`)
      },
      configure(spec) {
        spec.process.terminal = true
        spec.root.readonly = false
        const gone = ['/dev', '/dev/shm', '/dev/mqueue']
        spec.mounts = spec.mounts.filter(({ destination }) => !gone.includes(destination))
      },
    })
    const socket = new ConsoleSocket(t, `${b.dir}/sock`)
    const { code } = await b.tsrun('create', '--console-socket', socket.path, b.id)
    t.same(decoy.check(), [])
    t.same(readdirSync(decoy.dir), names)
    if (code !== 0) continue
    const { pid } = await b.state()
    const ostype = statSync(`/proc/${pid}/root/proc/sys/kernel/ostype`)
    t.notOk(ostype.isCharacterDevice(), 'nothing is bound there')
  }
})
