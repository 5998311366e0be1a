import { COMMIT, VERSION } from '../base/version.ts'
import { featuresOf } from '../bundle/features.ts'
import { defineCommand } from './define.ts'

export default defineCommand({
  name: 'features',
  summary: 'show the enabled features',
  usage: '',
  description:
    'Prints what the runtime can do, whatever the host, as JSON; of seccomp what libseccomp and the kernel can.',
  args: { min: 0, max: 0 },
  options: {},
  async run({ runtime }) {
    const { seccompFeatures } = await import('../seccomp/features.ts')
    const seccomp = seccompFeatures()
    const features = featuresOf({ version: VERSION, commit: COMMIT ?? '', seccomp })
    runtime.print(`${JSON.stringify(features, null, 4)}\n`)
    return 0
  },
})
