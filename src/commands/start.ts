import { startContainer } from '../container/start.ts'
import { defineCommand } from './define.ts'

export default defineCommand({
  name: 'start',
  summary: "execute a created container's program",
  usage: '<container-id>',
  args: { min: 1, max: 1 },
  options: {},
  run({ args: [id = ''], runtime }) {
    startContainer(runtime.root, id)
    return 0
  },
})
