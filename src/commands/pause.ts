import { pauseContainer } from '../container/pause.ts'
import { defineCommand } from './define.ts'

export default defineCommand({
  name: 'pause',
  summary: 'stop all processes of a container for the time being',
  usage: '<container-id>',
  args: { min: 1, max: 1 },
  options: {},
  run({ args: [id = ''], runtime }) {
    pauseContainer(runtime.root, id, runtime.log)
    return 0
  },
})
