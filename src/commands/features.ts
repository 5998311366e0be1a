import { COMMIT, VERSION } from '../base/version.ts'
import { featuresOf } from '../bundle/features.ts'
import { defineCommand } from './define.ts'

export default defineCommand({
  name: 'features',
  summary: 'show the enabled features',
  usage: '',
  description: 'Prints what the runtime can do, whatever the host, as JSON.',
  args: { min: 0, max: 0 },
  options: {},
  run({ runtime }) {
    const features = featuresOf({ version: VERSION, commit: COMMIT ?? '' })
    runtime.print(`${JSON.stringify(features, null, 4)}\n`)
    return 0
  },
})
