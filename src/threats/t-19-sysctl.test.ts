/** T-19: sysctls reach nothing but what belongs to the container. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('T-19 CVE-2022-0811 sysctl keys do not lead elsewhere', { skip }, async (t) => {
  const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8')
  const bundle = await withBundle(t, { args: ['true'] })
  for (const [key, value] of [
    ['net.ipv4/../../kernel/core_pattern', 'x'],
    ['net/../kernel/core_pattern', 'x'],
    ['net/ipv4/../../kernel/core_pattern', 'x'],
    ['kernel.core_pattern', 'x'],
    ['/net/ipv4/ip_forward', '1'],
    ['net..ipv4.ip_forward', '1'],
    ['net.ipv4.ip_forward', '1\n2'],
    ['net.', '1'],
    ['', '1'],
  ] as const) {
    bundle.reconfigure((spec) => {
      spec.linux.sysctl = { [key]: value }
    })
    const { code } = await bundle.tsrun('run', bundle.id)
    t.equal(code, 1, `${key} = ${JSON.stringify(value)}`)
    t.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'), pattern)
  }
  const good = ['net/ipv4/conf/lo/forwarding', 'net.ipv4.conf.lo.forwarding']
  for (const key of good) {
    bundle.reconfigure((spec) => {
      spec.linux.sysctl = { [key]: '1' }
      spec.process.args = ['cat', '/proc/sys/net/ipv4/conf/lo/forwarding']
    })
    const { stdout, stderr } = await bundle.tsrun('run', bundle.id)
    t.equal(stdout, '1\n', stderr)
  }
})
