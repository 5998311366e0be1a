import { mark } from '../base/timing.ts'
import { discard } from '../container/delete.ts'
import { writePidFile } from '../container/pid-file.ts'
import { adoptOrphans, attend, holdSignals } from '../container/run.ts'
import { release } from '../container/start.ts'
import { CREATION_OPTIONS, create, pidFilePath } from './creation.ts'
import { defineCommand } from './define.ts'

export default defineCommand({
  name: 'run',
  summary: 'create and run a container',
  usage: '<container-id>',
  description:
    "In the foreground, signals are passed on, and the exit status is the container process's own, or 128 + the signal that ended it; the container is then deleted.",
  args: { min: 1, max: 1 },
  options: {
    ...CREATION_OPTIONS,
    detach: { type: 'flag', alias: 'd', summary: 'return once the program runs' },
    keep: { type: 'flag', summary: 'do not delete the container when it has ended' },
    'no-subreaper': {
      type: 'flag',
      summary: 'do not adopt orphaned processes of the container',
    },
  },
  errorPrefix: 'runc run failed',
  async run({ options, args: [id = ''], runtime }) {
    const { root, log } = runtime
    const pidFile = pidFilePath(options)
    if (!options['no-subreaper']) adoptOrphans(log)
    using signals = options.detach ? undefined : holdSignals()
    const { created } = await create(id, options, runtime)
    const { store, state, pidfd, fifo } = created
    try {
      release(store, fifo)
      if (pidFile !== undefined) writePidFile(pidFile, state.pid)
    } catch (error) {
      await discard(root, created, log)
      throw error
    }
    if (signals === undefined) return 0
    // other commands may now act on the container
    store.unlock()
    const code = attend(state.pid, pidfd, signals)
    mark('wait')
    if (!options.keep) await discard(root, created, log)
    return code
  },
})
