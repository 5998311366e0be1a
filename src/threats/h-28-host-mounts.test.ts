/** H-28: the host never sees a mount of a container. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('H-28 no mount is ever seen on the host', { skip }, async (t) => {
  const bundle = await withBundle(t, { args: ['true'] })
  let samples = 0
  const seen = new Set<string>()
  const sample = (): void => {
    samples++
    for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
      if (line.includes(bundle.dir)) seen.add(line)
    }
  }
  const timer = setInterval(sample, 1)
  try {
    for (let i = 0; i < 30; i++) t.equal((await bundle.tsrun('run', bundle.id)).code, 0)
  } finally {
    clearInterval(timer)
  }
  t.same([...seen], [])
  t.ok(samples > 30)
})
