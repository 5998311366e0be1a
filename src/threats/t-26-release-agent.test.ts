/** T-26: the default configuration has no way to a release agent. */
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test(
  'T-26 CVE-2022-0492 the default configuration has no way to a release agent',
  { skip },
  async (t) => {
    const script = `
    find /sys/fs/cgroup -name release_agent -writable
    find /sys/fs/cgroup -name cgroup.procs -writable
    touch /sys/fs/cgroup/x /sys/x 2>/dev/null && echo made
    cut -d" " -f5- /proc/self/mountinfo | grep -E "^/(sys|dev/shm|dev/mqueue)[/ ]" | grep -vE "nosuid,nodev,noexec"`
    const bundle = await withBundle(t, { args: ['sh', '-c', script] })
    t.equal((await bundle.tsrun('run', bundle.id)).stdout, '')
  },
)
