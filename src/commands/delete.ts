import { deleteContainer } from '../container/delete.ts'
import { defineCommand } from './define.ts'

export default defineCommand({
  name: 'delete',
  summary: 'delete what a container held',
  usage: '<container-id>',
  args: { min: 1, max: 1 },
  options: {
    force: { type: 'flag', alias: 'f', summary: 'kill the container first if it still runs' },
  },
  async run({ options, args: [id = ''], runtime }) {
    await deleteContainer(runtime.root, id, options.force)
    return 0
  },
})
