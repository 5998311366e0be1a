import { mkdtempSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../src/testing/cli.ts'
import { needs } from '../../src/testing/needs.ts'
import { openBundle } from '../open-bundle.ts'

const makeRootfs = join(import.meta.dirname, 'make-rootfs')

t.test('make-rootfs links the applets of busybox', { skip: needs('busybox') }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-rootfs-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const rootfs = join(directory, 'rootfs')
  for (const attempt of ['first', 'second']) {
    t.match(await run([makeRootfs, rootfs]), { code: 0, stderr: '' }, attempt)
  }
  t.equal(readlinkSync(join(rootfs, 'bin/sh')), '/bin/busybox')
})

t.test(
  'busybox runs a shell in its root file system',
  {
    skip: needs('root', 'program', 'busybox'),
  },
  async (t) => {
    t.match(await run([makeRootfs]), { code: 0 })
    const input = 'ps -o pid,comm\nhostname\ntouch /x 2>/dev/null || echo read-only\nexit 7\n'
    const { code, stdout, stderr } = await openBundle(t, 'busybox').run({ input })
    t.equal(stderr, '')
    t.match(stdout, /^PID +COMMAND\n +1 sh\n +2 ps\nbusybox\nread-only\n$/)
    t.equal(code, 7, 'the exit code of the shell')
  },
)
