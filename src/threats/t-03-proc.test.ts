/** T-03: what stands for /proc and /sys is what it should be. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test(
  'T-03 CVE-2019-19921, CVE-2023-27561, CVE-2023-28642 a link in place of /proc or /sys is refused',
  { skip },
  async (t) => {
    for (const [name, target] of [
      ['proc', '/tmp'],
      ['proc', 'etc/p'],
      ['proc', '../../../../tmp'],
      ['sys', '/tmp'],
      ['sys', '/proc'],
    ] as const) {
      const bundle = await withBundle(t, {
        args: ['true'],
        populate(rootfs) {
          rmSync(`${rootfs}/${name}`, { recursive: true })
          symlinkSync(target, `${rootfs}/${name}`)
          mkdirSync(`${rootfs}/etc/p`)
        },
      })
      const { code, stderr } = await bundle.tsrun('run', bundle.id)
      t.equal(code, 1, `${name} -> ${target}`)
      t.match(stderr, /must be mounted on ordinary directory/)
    }
  },
)

t.test(
  'T-03 CVE-2019-16884, CVE-2025-54867 nothing is mounted over parts of /proc',
  { skip },
  async (t) => {
    const bundle = await withBundle(t, {
      args: ['true'],
      populate(rootfs) {
        symlinkSync('/proc/sys', `${rootfs}/x`)
        symlinkSync('proc', `${rootfs}/p`)
        writeFileSync(`${rootfs}/etc/fake`, 'fake')
      },
    })
    const bind = (source: string) => ({ source, options: ['bind'] })
    const fake = bind(`${bundle.rootfs}/etc/fake`)
    const cases = [
      [{ destination: '/proc/sys', type: 'tmpfs' }, /is inside \/proc/],
      [{ destination: '/x', type: 'tmpfs' }, /is inside \/proc/],
      [{ destination: '/p/self/attr', type: 'tmpfs' }, /is inside \/proc/],
      [{ destination: '/p', type: 'tmpfs' }, /is not of type proc/],
      [{ destination: '/proc', type: 'tmpfs' }, /is not of type proc/],
      [{ destination: '/proc', ...bind('/proc/sys') }, /is not of type proc/],
      [{ destination: '/proc/sys/kernel/core_pattern', ...fake }, /is inside \/proc/],
      [{ destination: '/proc/version', ...fake }, /is inside \/proc/],
      [{ destination: '/proc/../proc//sys/', type: 'tmpfs' }, /is inside \/proc/],
      [{ destination: '/proc/cpuinfo', ...fake }, undefined],
      [{ destination: '/proc/meminfo', ...fake }, undefined],
    ] as const
    for (const [mount, message] of cases) {
      bundle.reconfigure((spec) => {
        spec.mounts.push(structuredClone(mount) as (typeof spec.mounts)[number])
      })
      const { code, stderr } = await bundle.tsrun('run', bundle.id)
      t.equal(code, message === undefined ? 0 : 1, JSON.stringify(mount))
      if (message !== undefined) t.match(stderr, message)
    }
  },
)
