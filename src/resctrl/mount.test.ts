import { readFileSync } from 'node:fs'
import t from 'tap'
import { flock, LOCK } from '../sys/file.ts'
import { lockResctrl, openResctrl, type ResctrlTree, resctrlMounts } from './mount.ts'
import { fakeResctrl } from './testing.ts'

t.test('resctrlMounts() finds whole file systems only', async (t) => {
  const mountinfo = [
    '22 1 0:21 / /sys rw,nosuid - sysfs sysfs rw',
    '40 22 0:33 /gold /srv/gold rw - resctrl resctrl rw',
    '41 22 0:33 / /sys/fs/resctrl rw,relatime shared:9 master:2 - resctrl resctrl rw',
    '42 22 0:33 / /mnt/a\\040b\\134c rw - resctrl none rw',
    '43 22 0:34 / /resctrl rw - tmpfs resctrl rw',
    '',
  ].join('\n')
  t.strictSame(resctrlMounts(mountinfo), ['/sys/fs/resctrl', '/mnt/a b\\c'])
  t.strictSame(resctrlMounts(''), [])
})

function opened(): ResctrlTree {
  const tree = openResctrl()
  if (tree === undefined) throw new Error('not found')
  return tree
}

t.test('openResctrl() takes the test root, and knows its resources', async (t) => {
  const { root } = fakeResctrl(t)
  using tree = opened()
  t.equal(tree.root.label, root)
  t.ok(tree.isFake)
  t.ok(tree.has('L3'))
  t.notOk(tree.has('L2'))
})

const needsRoot = process.geteuid?.() === 0 ? false : 'needs root'
t.test(
  'openResctrl() ignores the test root for a set-id process',
  { skip: needsRoot },
  async (t) => {
    fakeResctrl(t)
    for (const change of ['seteuid', 'setegid'] as const) {
      process[change]?.(65534)
      try {
        t.notOk(openResctrl()?.isFake, change)
      } finally {
        process[change]?.(0)
      }
    }
  },
)

const mounted = / - resctrl /.test(readFileSync('/proc/self/mountinfo', 'utf8'))
const skip = mounted ? 'this host has resctrl' : false
t.test('openResctrl() finds nothing where nothing is mounted', { skip }, async (t) => {
  t.equal(openResctrl(), undefined)
})

t.test('lockResctrl() excludes others, but does not wait for ever', async (t) => {
  fakeResctrl(t)
  using other = opened()
  const tryLock = () => flock(other.root, LOCK.EX | 4)
  const first = opened()
  lockResctrl(first)
  t.throws(tryLock, { code: 'EAGAIN' })
  first[Symbol.dispose]()
  tryLock()

  const start = Date.now()
  using second = opened()
  lockResctrl(second)
  const waited = Date.now() - start
  t.ok(waited >= 2000 && waited < 20_000, `${waited} ms`)
})
