/** T-11: a working directory that changes between check and use leads nowhere else. */
import { symlinkSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'
import { python, whileRacing } from '../testing/racing.ts'

/** Lets a link lead to a directory of the image, then to a descriptor, to the next descriptor... */
const TURN = `
link, new = sys.argv[1], sys.argv[1] + '.new'
while True:
  for n in range(3, 24):
    for target in ['/etc', '/proc/self/fd/%d' % n, '/proc/1/fd/%d/..' % n]:
      os.symlink(target, new)
      os.rename(new, link)`

/** What is to be seen of the host, and where one is. */
const LOOK = ['sh', '-c', 'ls -d rootfs state config.json ../config.json; pwd']

t.test(
  'T-11 CVE-2024-21626 a working directory that is a link, turned meanwhile',
  { skip: needsContainers('python3') },
  async (t) => {
    const bundle = await withBundle(t)
    const other = `${bundle.id}-running`
    t.equal((await bundle.tsrun('run', '-d', other)).code, 0)
    bundle.reconfigure((spec) => {
      spec.process.cwd = '/w'
      spec.process.args = LOOK
    })
    let started = 0
    const commands = [
      ['run', bundle.id],
      ['exec', '--cwd', '/w', other, ...LOOK],
    ]
    const link = `${bundle.rootfs}/w`
    symlinkSync('/etc', link)
    const attempts = await whileRacing(python(TURN, link), async () => {
      for (const words of commands) {
        const { code, stdout } = await bundle.tsrun(...words)
        if (code === 0) t.match(stdout, /^\/[^\n]*\n$/, `${words[0]}`)
        else t.equal(stdout, '', `${words[0]}`)
        if (code === 0) started++
      }
    })
    t.comment(`${started} of ${attempts * commands.length} programs ran`)
  },
)
