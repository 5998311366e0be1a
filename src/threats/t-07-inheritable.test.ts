/** T-07: nothing is inheritable, so files with inheritable capabilities raise nobody. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { busyboxPath, needsContainers } from '../testing/needs.ts'

/** Makes CAP_NET_RAW inheritable through a file: `struct vfs_cap_data`, revision 2, effective. */
const GRANT = `
import os, struct, sys
os.setxattr(sys.argv[1], 'security.capability', struct.pack('<5I', 0x2000001, 0, 1 << 13, 0, 0))`

t.test(
  'T-07 CVE-2022-29162, CVE-2022-24769, CVE-2022-27650, CVE-2025-27612 inheritable capabilities of a file',
  { skip: needsContainers('python3') },
  async (t) => {
    const words = ['/granted/grep', 'Cap', '/proc/self/status']
    const b = await withBundle(t, {
      populate(rootfs) {
        mkdirSync(`${rootfs}/granted`)
        copyFileSync(busyboxPath() ?? '', `${rootfs}/granted/grep`)
        execFileSync('python3', ['-c', GRANT, `${rootfs}/granted/grep`])
      },
      configure({ process }) {
        process.noNewPrivileges = false
        const all = ['CAP_NET_RAW', 'CAP_KILL']
        process.capabilities = { bounding: all, effective: all, permitted: all }
      },
    })
    t.equal((await b.tsrun('run', '-d', b.id)).code, 0)
    const none = { Inh: 0, Prm: 0, Eff: 0, Bnd: 0x2020, Amb: 0 }
    const root = { ...none, Prm: 0x2020, Eff: 0x2020 }
    for (const [flags, expected] of [
      [[], root],
      [['--cap', 'CAP_NET_RAW'], root],
      [['-u', '1000'], none],
      [['-u', '1000', '--cap', 'CAP_NET_RAW'], none],
      [['-u', '1000', '--cap', 'CAP_NET_RAW', '--cap', 'CAP_KILL'], none],
    ] as const) {
      const { stdout, stderr } = await b.tsrun('exec', ...flags, b.id, ...words)
      t.same(setsIn(stdout), expected, `${flags.join(' ')} ${stderr}`)
    }
    const asUser = async (inheritable: string[]): Promise<Record<string, number>> => {
      b.reconfigure(({ process }) => {
        process.args = words
        process.user = { uid: 1000, gid: 1000 }
        process.capabilities = { ...process.capabilities, inheritable }
      })
      return setsIn((await b.tsrun('run', `${b.id}-user`)).stdout)
    }
    t.match(await asUser([]), { Inh: 0, Prm: 0, Eff: 0, Amb: 0 })
    t.match(await asUser(['CAP_NET_RAW']), { Prm: 0x2000, Eff: 0x2000 }, 'the file does grant it')
  },
)

/** The sets as /proc/PID/status has them: `{ Inh: 0, ... }`. */
function setsIn(text: string): Record<string, number> {
  const lines = text.matchAll(/^Cap(\w+):\s+([0-9a-f]+)$/gm)
  return Object.fromEntries(
    [...lines].map(([, name, hex]) => [name, Number.parseInt(hex ?? '', 16)]),
  )
}
