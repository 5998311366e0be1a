import { COMMIT, VERSION } from '../base/version.ts'
import { featuresOf, SECCOMP_FLAGS, type SeccompFlag } from '../bundle/features.ts'
import { S } from '../sys/ffi.ts'
import { NR } from '../sys/numbers.ts'
import { defineCommand } from './define.ts'

/** Checkpoint and restore are not among the commands. */
const HAS_CHECKPOINT = false

const EFAULT = 14
const SET_MODE_FILTER = 1
const NEW_LISTENER = 8
const FLAG_BITS: Readonly<Record<SeccompFlag, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 1,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
  SECCOMP_FILTER_FLAG_LOG: 2,
  // refused without a listener
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 32 | NEW_LISTENER,
}

export default defineCommand({
  name: 'features',
  summary: 'show the enabled features',
  usage: '',
  description: 'Prints what the runtime can do, whatever the host, as JSON.',
  args: { min: 0, max: 0 },
  options: {},
  run({ runtime }) {
    const features = featuresOf({
      version: VERSION,
      commit: COMMIT ?? '',
      hasCheckpoint: HAS_CHECKPOINT,
      supportedSeccompFlags: SECCOMP_FLAGS.filter(isSupported),
    })
    runtime.print(`${JSON.stringify(features, null, 4)}\n`)
    return 0
  },
})

/** A filter at address 0 is refused with EFAULT, but an unknown flag earlier, with EINVAL. */
function isSupported(flag: SeccompFlag): boolean {
  return S(NR.seccomp, SET_MODE_FILTER, FLAG_BITS[flag], 0) === -EFAULT
}
