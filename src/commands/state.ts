import { ociStateOf } from '../container/status.ts'
import { Store } from '../container/store.ts'
import { defineCommand } from './define.ts'

export default defineCommand({
  name: 'state',
  summary: "print a container's state as JSON",
  usage: '<container-id>',
  args: { min: 1, max: 1 },
  options: {},
  run({ args: [id = ''], runtime }) {
    using store = Store.open(runtime.root, id)
    runtime.print(JSON.stringify(ociStateOf(store, store.read(), ''), null, 2))
    return 0
  },
})
