/** The systemd driver: containers' cgroups as units that systemd makes and removes. */
import { messageOf, SyscallError } from '../base/errors.ts'
import type { SystemdProperty } from '../plan/systemd-properties.ts'
import { S_IF, statIfAny } from '../sys/file.ts'
import { Bus, BusError, type BusObject, type BusValue } from '../sys/sd-bus.ts'

/** The manager of the system's units, or of those of the user that tsrun runs as. */
export type SystemdInstance = 'system' | 'user'

const MANAGER: BusObject = {
  service: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
}
const UNIT_EXISTS = 'org.freedesktop.systemd1.UnitExists'
const NO_SUCH_UNIT = 'org.freedesktop.systemd1.NoSuchUnit'

/** How long systemd may take to start or stop a unit. */
const JOB_LIMIT_MS = 30_000

/** True if systemd is the host's init. @see sd_booted(3) */
export function isSystemdRunning(): boolean {
  const found = statIfAny(undefined, '/run/systemd/system', false)
  return found !== undefined && (found.mode & S_IF.MT) === S_IF.DIR
}

/**
 * A connection to systemd, to be disposed of. It is a socket of the parent's, close-on-exec; made
 * for one command, in the runtime's own root.
 */
export class Systemd implements Disposable {
  readonly #bus: Bus
  #hasSubscribed = false
  #version: number | undefined

  private constructor(bus: Bus) {
    this.#bus = bus
  }

  /**
   * Connects through D-Bus, or to systemd's own socket where there is no D-Bus.
   *
   * @throws {Error} if neither is there, or does not let this user in; or libsystemd is missing
   */
  static connect(instance: SystemdInstance): Systemd {
    return new Systemd(openBus(instance))
  }

  [Symbol.dispose](): void {
    this.#bus.close()
  }

  /**
   * Starts a transient unit and waits until it is there, at most 30 seconds. A unit of the same name
   * that has failed is forgotten first.
   *
   * @param pid - of the process to put into it; a slice takes none
   * @param properties - with its limits, which then hold before the process is in it
   * @throws {BusError} `org.freedesktop.systemd1.UnitExists`, or what else systemd finds wrong
   * @throws {Error} if the unit does not start
   */
  startUnit(unit: string, pid: number | undefined, properties: readonly SystemdProperty[]): void {
    const list = properties.map(structOf)
    if (pid !== undefined && !unit.endsWith('.slice')) {
      list.push(structOf({ name: 'PIDs', signature: 'au', value: [pid] }))
    }
    const start = (): string =>
      this.#job('StartTransientUnit', 'ssa(sv)a(sa(sv))', [unit, 'replace', list, []])
    let result: string
    try {
      result = start()
    } catch (error) {
      if (!isBusError(error, UNIT_EXISTS)) throw error
      this.resetFailed(unit)
      result = start()
    }
    if (result === 'done') return
    this.resetFailed(unit)
    throw new Error(
      result === ''
        ? `Timeout waiting for systemd to create ${unit}`
        : `error creating systemd unit ${JSON.stringify(unit)}: got ${JSON.stringify(result)}`,
    )
  }

  /**
   * Changes properties of a unit until it ends. systemd makes a file of each, in this order, and
   * takes any other order than that of their names for a change that it has not seen yet
   * (NeedDaemonReload).
   *
   * @throws {BusError}
   */
  setUnitProperties(unit: string, properties: readonly SystemdProperty[]): void {
    if (properties.length === 0) return
    const sorted = properties.toSorted((one, other) =>
      one.name < other.name ? -1 : Number(one.name > other.name),
    )
    const values = [unit, true, sorted.map(structOf)]
    this.#bus.call(MANAGER, 'SetUnitProperties', { signature: 'sba(sv)', values })
  }

  /**
   * Stops a unit, which kills what is in it, and waits until that is done, at most 30 seconds; makes
   * systemd forget that it failed. Nothing happens if there is no such unit.
   *
   * @returns how the job ended if not well: `failed`, `canceled`; the unit may be there still
   * @throws {BusError}
   * @throws {Error} if the time is over
   */
  stopUnit(unit: string): string | undefined {
    let result = 'done'
    try {
      result = this.#job('StopUnit', 'ss', [unit, 'replace'])
    } catch (error) {
      if (!isBusError(error, NO_SUCH_UNIT)) throw error
    }
    this.resetFailed(unit)
    if (result === '') throw new Error(`Timed out while waiting for systemd to remove ${unit}`)
    return result === 'done' ? undefined : result
  }

  /** Makes systemd forget a unit that failed; nothing happens if there is none. */
  resetFailed(unit: string): void {
    try {
      this.#bus.call(MANAGER, 'ResetFailedUnit', { signature: 's', values: [unit] })
    } catch (error) {
      if (!isBusError(error, NO_SUCH_UNIT)) throw error
    }
  }

  /** systemd's version, `252`; 0 if it does not tell. @throws {BusError} */
  version(): number {
    if (this.#version === undefined) {
      // `252.39-1~deb12u1`, `v245`
      const text = this.#bus.stringProperty(MANAGER, 'Version')
      this.#version = Number(/^"?v?(\d+)/.exec(text)?.[1] ?? 0)
    }
    return this.#version
  }

  /** The cgroup of this manager, `/user.slice/user-1000.slice/user@1000.service`. */
  managerCgroup(): string {
    return this.#bus.stringProperty(MANAGER, 'ControlGroup')
  }

  /** Starts a job; returns its result, or an empty string when it takes too long. */
  #job(method: string, signature: string, values: readonly BusValue[]): string {
    if (!this.#hasSubscribed) {
      this.#bus.subscribe(MANAGER, 'JobRemoved')
      this.#bus.call(MANAGER, 'Subscribe')
      this.#hasSubscribed = true
    }
    const job = this.#bus.call(MANAGER, method, { signature, values }, 'o')
    const deadlineMs = performance.now() + JOB_LIMIT_MS
    for (;;) {
      // number, path, unit, result
      const ended = this.#bus.nextSignal(MANAGER, 'JobRemoved', 'uoss', deadlineMs)
      if (ended === undefined) return ''
      if (ended[1] === job) return `${ended[3]}`
    }
  }
}

function structOf({ name, signature, value }: SystemdProperty): BusValue {
  return [name, { signature, value }]
}

function isBusError(thrown: unknown, errorName: string): boolean {
  return thrown instanceof BusError && thrown.errorName === errorName
}

/** Where systemd listens itself: to root, or to the user. */
function socketOf(instance: SystemdInstance): string | undefined {
  if (instance === 'system') return '/run/systemd/private'
  const directory = process.env.XDG_RUNTIME_DIR
  return directory === undefined ? undefined : `${directory}/systemd/private`
}

function openBus(instance: SystemdInstance): Bus {
  const unavailable = (cause: unknown, hint: string): Error =>
    new Error(`cannot reach systemd through the ${instance}'s D-Bus: ${messageOf(cause)}${hint}`, {
      cause,
    })
  try {
    return Bus.open(instance)
  } catch (cause) {
    const code = cause instanceof SyscallError ? cause.code : undefined
    if (code === 'ENOMEDIUM') {
      throw unavailable(cause, ' (neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set)')
    }
    const path = socketOf(instance)
    const isMissing = code === 'ENOENT' || code === 'ECONNREFUSED'
    if (!isMissing || path === undefined) throw unavailable(cause, '')
    try {
      return Bus.openSocket(path)
    } catch (second) {
      throw unavailable(cause, `, nor directly: ${messageOf(second)}`)
    }
  }
}
