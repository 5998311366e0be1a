import { discard } from '../container/delete.ts'
import { writePidFile } from '../container/pid-file.ts'
import { CREATION_OPTIONS, create, pidFilePath } from './creation.ts'
import { defineCommand } from './define.ts'

export default defineCommand({
  name: 'create',
  summary: 'create a container',
  usage: '<container-id>',
  description:
    'The container is set up completely, and its process waits before executing its program until `start`.',
  args: { min: 1, max: 1 },
  options: CREATION_OPTIONS,
  errorPrefix: 'runc create failed',
  async run({ options, args: [id = ''], runtime }) {
    const pidFile = pidFilePath(options)
    const { created } = await create(id, options, runtime, true)
    try {
      if (pidFile !== undefined) writePidFile(pidFile, created.state.pid)
    } catch (error) {
      await discard(runtime.root, created, runtime.log)
      throw error
    }
    return 0
  },
})
