import { startContainer } from '../container/start.ts'
import { defineCommand } from './define.ts'

export default defineCommand({
  name: 'start',
  summary: "execute a created container's program",
  usage: '<container-id>',
  args: { min: 1, max: 1 },
  options: {},
  async run({ args: [id = ''], runtime }) {
    const manager = process.env.NOTIFY_SOCKET || undefined
    await startContainer(runtime.root, id, { manager, log: runtime.log })
    return 0
  },
})
