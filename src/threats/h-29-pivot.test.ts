/** H-29: without pivot_root(2) the host is out of sight, too. */
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('H-29 without pivot_root the host is out of sight, and masks hold', { skip }, async (t) => {
  const script = 'ls -d /../etc/host-marker /config.json; cat /proc/keys; cat /proc/1/mountinfo'
  const bundle = await withBundle(t, {
    args: ['sh', '-c', script],
    configure(spec) {
      spec.linux.maskedPaths = ['/proc/keys']
    },
  })
  for (const words of [['--no-pivot'], []]) {
    const { stdout } = await bundle.tsrun('run', ...words, bundle.id)
    const targets = stdout.split('\n').map((line) => line.split(' ')[4])
    t.notMatch(stdout, /host-marker|config\.json/)
    t.ok(targets.includes('/proc/keys'))
    t.notOk(targets.some((target) => target?.startsWith(bundle.dir)))
  }
})
