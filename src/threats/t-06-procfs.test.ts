/** T-06: what tsrun writes to procfs arrives there, whoever mounts over parts of it meanwhile. */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { eventually, namespaceOf } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import { python, whileRacing } from '../testing/racing.ts'

/**
 * Mounts a directory and a file over a sysctl, over the whole of /proc/sys, over where the
 * container's /proc will be, and over the oom_score_adj of the process that was born last; takes
 * them away again.
 */
const OVERMOUNT = `
dir, rootfs = sys.argv[1], sys.argv[2]
file = dir + '/sys/net/ipv4/ip_unprivileged_port_start'
places = [
  (file, '/proc/sys/net/ipv4/ip_unprivileged_port_start'),
  (dir + '/sys/net/ipv4', '/proc/sys/net/ipv4'),
  (dir + '/sys', '/proc/sys'),
  (dir, rootfs + '/proc'),
]
def mount(source, target):
  return libc.mount(source.encode(), target.encode(), None, 4096, None) == 0
last = ''
while True:
  for source, target in places:
    if mount(source, target):
      time.sleep(0.002)
      libc.umount2(target.encode(), 2)
    for _ in range(20):
      now = open('/proc/loadavg').read().split()[-1]
      if now != last: mount(dir + '/oom_score_adj', '/proc/%s/oom_score_adj' % now)
      last = now`

/** A mount namespace whose mounts are shared with those that come from it, as on many hosts. */
async function sharedMounts(teardown: (action: () => void) => void): Promise<number> {
  const script = 'mount --make-rshared / && exec sleep 1000'
  const child = spawn('unshare', ['--mount', 'sh', '-c', script], { stdio: 'inherit' })
  teardown(() => child.kill('SIGKILL'))
  const pid = child.pid ?? -1
  await eventually(
    'the mount namespace',
    () =>
      readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n' &&
      namespaceOf(pid, 'mnt') !== namespaceOf('self', 'mnt'),
  )
  return pid
}

t.test(
  'T-06 CVE-2025-52881, CVE-2025-62596 what is mounted over procfs redirects no write',
  { skip: needsContainers('python3', 'command nsenter', 'command unshare') },
  async (t) => {
    const name = 'net/ipv4/ip_unprivileged_port_start'
    const bundle = await withBundle(t, {
      args: ['cat', `/proc/sys/${name}`, '/proc/self/oom_score_adj'],
      configure(spec) {
        spec.linux.sysctl = { 'net.ipv4.ip_unprivileged_port_start': '77' }
        spec.process.oomScoreAdj = 123
      },
    })
    const decoy = `${bundle.dir}/decoy`
    mkdirSync(`${decoy}/sys/net/ipv4`, { recursive: true })
    const files = [`${decoy}/sys/${name}`, `${decoy}/oom_score_adj`]
    for (const file of files) writeFileSync(file, 'keep')
    const pid = await sharedMounts((action) => t.teardown(action))
    const enter = ['nsenter', '--mount', '--target', `${pid}`]
    const racer = [...enter, ...python(OVERMOUNT, decoy, bundle.rootfs)]
    let started = 0
    const attempts = await whileRacing(racer, async () => {
      const { code, stdout, stderr } = await bundle.shell(
        `exec ${enter.join(' ')} sh -c 'cd ${bundle.dir} && exec $TSRUN --root $ROOT run $ID'`,
      )
      if (code !== 0) t.equal(stdout, '', stderr)
      else t.equal(stdout, '77\n123\n')
      if (code === 0) started++
    })
    for (const file of files) t.equal(readFileSync(file, 'utf8'), 'keep')
    t.comment(`${started} of ${attempts} containers ran to their end`)
  },
)
