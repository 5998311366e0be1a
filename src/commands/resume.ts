import { resumeContainer } from '../container/pause.ts'
import { defineCommand } from './define.ts'

export default defineCommand({
  name: 'resume',
  summary: 'let the processes of a paused container go on',
  usage: '<container-id>',
  args: { min: 1, max: 1 },
  options: {},
  run({ args: [id = ''], runtime }) {
    resumeContainer(runtime.root, id, runtime.log)
    return 0
  },
})
