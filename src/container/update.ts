/** Changes the limits of a container that is there. */
import type { LinuxResources } from '../../spec/generated/config.ts'
import { ContainerError, messageOf } from '../base/errors.ts'
import { stringifyExact } from '../base/json.ts'
import type { Log } from '../base/log.ts'
import { loadResources, loadSpec } from '../bundle/load.ts'
import { validateResources } from '../bundle/validate.ts'
import { currentLimits } from '../cgroup/current-limits.ts'
import { driverOf } from '../cgroup/drivers.ts'
import { applyResources } from '../cgroup/resources.ts'
import { mergeResources } from '../plan/resources/merge.ts'
import { planResources } from '../plan/resources/resources.ts'
import type { State } from './state.ts'
import { statusOf } from './status.ts'
import { Store } from './store.ts'

/** What is to change. */
export interface Update {
  /** The whole, as JSON; positions in errors name it so. */
  readonly file?: { readonly name: string; readonly text: string }
  /** Without `file`. */
  readonly resources: LinuxResources
  /** Schemas of Intel RDT; empty: not given. */
  readonly l3CacheSchema: string
  readonly memBwSchema: string
}

/**
 * Updates container `id`, which may be created, running or paused, and stays so. If it fails, the
 * former limits are set again.
 *
 * @throws {ContainerError} `not-running`; {SpecError}, {StepError} with a pointer into the resources
 */
export async function updateContainer(
  root: string,
  id: string,
  update: Update,
  log: Log,
): Promise<void> {
  using store = Store.lock(root, id)
  const state = store.read()
  if (statusOf(store, state) === 'stopped') {
    throw new ContainerError('not-running', 'container not running')
  }
  const { file } = update
  // device rules are not updated, and so not judged either
  const { devices: _, ...wanted } = file
    ? await loadResources(file.text, file.name)
    : update.resources
  const cgroupVersion = state.cgroup.mode === 'v2' ? 2 : 1
  for (const { message } of validateResources(wanted, { cgroupVersion })) log.warning(message)
  const former = await formerResources(store)
  const { saved, written } = mergeResources(former, wanted)
  await apply(state, { former, written }, update, log)
  store.keepResources(stringifyExact(saved))
}

/** What the container has until now: of the last update, or as it was created with. */
async function formerResources(store: Store): Promise<LinuxResources> {
  const kept = store.readResources()
  if (kept !== undefined) return loadResources(kept, 'resources.json')
  const { linux } = await loadSpec(store.readConfig(), 'config.json')
  return linux?.resources ?? {}
}

async function apply(
  state: State,
  { former, written }: { former: LinuxResources; written: LinuxResources },
  update: Update,
  log: Log,
): Promise<void> {
  const { cgroup } = state
  const driver = await driverOf(cgroup)
  const before = currentLimits(cgroup, planResources(written, cgroup.mode, ''))
  try {
    if (Object.keys(written).length > 0) driver.update(cgroup, written, log)
    if (update.l3CacheSchema !== '' || update.memBwSchema !== '') {
      const { updateResctrl } = await import('../resctrl/resctrl.ts')
      updateResctrl(state.resctrl, update)
    }
  } catch (error) {
    try {
      driver.update(cgroup, former, log)
      // with what was not configured before, too
      applyResources(cgroup, before)
    } catch (second) {
      log.warning(`unable to set the former limits again: ${messageOf(second)}`)
    }
    throw error
  }
}
