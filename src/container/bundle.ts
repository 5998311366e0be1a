/** From a bundle directory to a plan: read, validate, ask the host, decide. */

import type { Spec } from '../../spec/generated/config.ts'
import { ContainerError, SpecError, StepError } from '../base/errors.ts'
import { mark } from '../base/timing.ts'
import { loadSpec } from '../bundle/load.ts'
import type { SpecFacts } from '../bundle/problem.ts'
import { checkUnsupported } from '../bundle/unsupported.ts'
import { validateSpec } from '../bundle/validate.ts'
import { probeHost, probeSecurityModules } from '../host/probe.ts'
import type { CgroupDriver } from '../plan/cgroup.ts'
import { type ContainerPlan, planContainer } from '../plan/container-plan.ts'
import type { HostFacts } from '../plan/facts.ts'
import type { HandOver } from '../plan/hand-over.ts'
import { check, failure, isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import {
  fstat,
  O,
  open,
  readlink,
  readText,
  S_IF,
  statIfAny,
  workingDirectory,
} from '../sys/file.ts'
import { str } from '../sys/memory.ts'
import { NR } from '../sys/numbers.ts'
import { cgroupOptions } from './cgroup-options.ts'

const CONFIG = 'config.json'
const CONFIG_MOST = 16 << 20

/** A bundle that can be carried out. */
export interface Bundle {
  /** Absolute, links resolved. */
  readonly path: string
  /** config.json as it was read, once. */
  readonly text: string
  readonly spec: Spec
  readonly plan: ContainerPlan
  /** What is odd, but keeps nothing from working. */
  readonly warnings: readonly string[]
}

export interface BundleOptions {
  readonly id: string
  /** As the caller gave it; relative to the working directory. */
  readonly directory: string
  readonly noPivot: boolean
  readonly noNewKeyring: boolean
  /** Missing rights on cgroups are tolerated. */
  readonly rootlessCgroups: boolean
  readonly cgroupDriver: CgroupDriver
  /** Absent: the container gets what its configuration says, and no more. */
  readonly handOver?: HandOver | undefined
}

/**
 * Goes to the bundle directory, reads its config.json and plans the container.
 *
 * @throws {SpecError} with a position; {ContainerError}; {SyscallError}
 */
export async function loadBundle(options: BundleOptions): Promise<Bundle> {
  const { directory } = options
  if (directory !== '') check('chdir', directory, S(NR.chdir, str(directory)))
  const path = workingDirectory()
  const config = readConfig()
  return locating(config, async () => {
    const spec = await completed(await loadSpec(config, CONFIG), options.handOver)
    mark('load')
    const facts = probeHost()
    const judged = await specFacts(spec, facts, options)
    const warnings = validateSpec(spec, judged)
    checkUnsupported(spec, refuse, judged)
    mark('validate')
    const cgroups = await cgroupOptions(options.cgroupDriver, facts.cgroup)
    const plan = planContainer(spec, facts, { ...options, bundle: path, cgroups })
    checkRootfs(plan.rootfs)
    mark('plan')
    return { path, text: config, spec, plan, warnings: warnings.map(({ message }) => message) }
  })
}

async function completed(spec: Spec, handOver: HandOver | undefined): Promise<Spec> {
  if (handOver === undefined) return spec
  return (await import('../plan/hand-over.ts')).withHandOver(spec, handOver)
}

function refuse(pointer: string, message: string): never {
  throw new SpecError(message, pointer)
}

async function specFacts(spec: Spec, facts: HostFacts, options: BundleOptions): Promise<SpecFacts> {
  const network = spec.linux?.namespaces?.find(({ type }) => type === 'network')?.path
  const resctrl = spec.linux?.intelRdt && (await import('../resctrl/resctrl.ts'))
  return {
    isRootless: S(NR.geteuid) !== 0,
    hasRootlessCgroups: options.rootlessCgroups,
    usesSystemdCgroup: options.cgroupDriver === 'systemd',
    avoidsPivot: options.noPivot,
    cgroupVersion: facts.cgroup.mode === 'v2' ? 2 : 1,
    ...(resctrl && { intelRdt: resctrl.probeResctrl() }),
    ...(network ? { joinsHostNetwork: isOwnNetwork(network) } : {}),
    ...probeSecurityModules(spec.process ?? {}),
  }
}

/** True if the namespace file leads to the network namespace that tsrun itself is in. */
function isOwnNetwork(path: string): boolean {
  const own = statIfAny(undefined, '/proc/self/ns/net')
  const other = statIfAny(undefined, path)
  return own !== undefined && own.ino === other?.ino && own.devMinor === other.devMinor
}

/** A file of bounded size; a fifo or a device is refused before it can block anything. */
function readConfig(): string {
  let opened: Fd
  try {
    opened = open(undefined, CONFIG, O.RDONLY | O.NONBLOCK | O.NOCTTY)
  } catch (error) {
    if (!isErrno(error, E.NOENT)) throw error
    throw new ContainerError('failed', `JSON specification file ${CONFIG} not found`)
  }
  using file = opened
  if ((fstat(file).mode & S_IF.MT) !== S_IF.REG) {
    throw new ContainerError('failed', `${CONFIG} is not a regular file`)
  }
  return readText(file, CONFIG_MOST)
}

/** runc takes neither a missing root nor one that is reached through a link (M-017). */
function checkRootfs(path: string): void {
  const found = statIfAny(undefined, path)
  if (found === undefined) {
    throw new SpecError(`invalid rootfs: ${failure('stat', path, -E.NOENT).message}`, '/root/path')
  }
  if ((found.mode & S_IF.MT) !== S_IF.DIR) {
    throw new SpecError(`invalid rootfs: ${path} is not a directory`, '/root/path')
  }
  using dir = open(undefined, path, O.PATH | O.DIRECTORY)
  if (readlink(undefined, `/proc/self/fd/${dir.number}`) !== path) {
    throw new SpecError('invalid rootfs: not an absolute path, or a symlink', '/root/path')
  }
}

/** Runs `action`; an error that names a place in the configuration then says line and column. */
export async function locating<T>(
  config: string,
  action: () => T | Promise<T>,
  fileName: string = CONFIG,
): Promise<T> {
  try {
    return await action()
  } catch (error) {
    const located = error instanceof SpecError || error instanceof StepError
    if (located && error.position === undefined && error.pointer !== undefined) {
      const { positionOf } = await import('../bundle/position.ts')
      error.position = positionOf(config, fileName, error.pointer)
    }
    throw error
  }
}
