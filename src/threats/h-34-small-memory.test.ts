/** H-34: what tsrun takes of the container's memory is little, whatever its own size. */
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

t.test('H-34 a container of 8 MiB starts, and can be entered', { skip }, async (t) => {
  const limit = 8 << 20
  const b = await withBundle(t, {
    configure(spec) {
      spec.linux.resources = { ...spec.linux.resources, memory: { limit } }
    },
  })
  const { code, stderr } = await b.tsrun('run', '-d', b.id)
  t.equal(code, 0, stderr)
  for (let i = 0; i < 5; i++) t.match(await b.tsrun('exec', b.id, 'true'), { code: 0, stderr: '' })
})
