/** A connection to D-Bus, synchronous. @see sd-bus(3) */
import { check as checkSyscall, failure } from './check.ts'
import { E } from './errno.ts'
import { alloc, at, get64, str } from './memory.ts'
import { sdBus, stringAt } from './sd-bus-library.ts'
import { appendAll, type BusValue, readBasic } from './sd-bus-message.ts'

export type { BusValue, BusVariant } from './sd-bus-message.ts'

/** An error that the other side of a call returned, or the bus. */
export class BusError extends Error {
  override readonly name = 'BusError'
  /** `org.freedesktop.systemd1.UnitExists`: what callers branch on. */
  readonly errorName: string

  constructor(errorName: string, message: string) {
    super(message === '' ? errorName : message)
    this.errorName = errorName
  }
}

/** An object of a service, and one of its interfaces. */
export interface BusObject {
  readonly service: string
  readonly path: string
  readonly interface: string
}

/** The arguments of a call: a complete type of the signature for each value. */
export interface BusArguments {
  readonly signature: string
  readonly values: readonly BusValue[]
}

/** How long an answer may take. */
const ANSWER_LIMIT_MS = 30_000
const NO_ARGUMENTS: BusArguments = { signature: '', values: [] }
/** sd_bus_error: two strings and an integer. */
const ERROR_SIZE = 24

function check(doing: string, result: number): number {
  return checkSyscall(doing, '', result)
}

/** A connection; closed when disposed. */
export class Bus implements Disposable {
  #address: number
  /** True if a bus is between the two sides: it passes on only the signals that one asked for. */
  readonly hasBroker: boolean

  private constructor(address: number, hasBroker: boolean) {
    this.#address = address
    this.hasBroker = hasBroker
  }

  /**
   * Connects to the bus of the system or, by DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR, of the
   * user.
   *
   * @param limitMs - how long the other side may take to answer
   * @throws {SyscallError} ENOENT, ECONNREFUSED: there is none; ENOMEDIUM: neither variable is set;
   *   ETIMEDOUT
   */
  static open(kind: 'system' | 'user', limitMs = ANSWER_LIMIT_MS): Bus {
    const result = alloc(8)
    const { sd_bus_open_system, sd_bus_open_user } = sdBus()
    const open = kind === 'system' ? sd_bus_open_system : sd_bus_open_user
    check(`sd_bus_open_${kind}`, open(at(result)))
    const bus = new Bus(get64(result), true)
    bus.#expectReady(`sd_bus_open_${kind}`, limitMs)
    return bus
  }

  /**
   * Connects to a service that listens itself.
   *
   * @param path - of its socket
   * @throws {SyscallError}
   */
  static openSocket(path: string): Bus {
    const result = alloc(8)
    const { sd_bus_new, sd_bus_set_address, sd_bus_start } = sdBus()
    check('sd_bus_new', sd_bus_new(at(result)))
    const bus = new Bus(get64(result), false)
    try {
      // in an address every byte may be written as its hexadecimal number
      const escaped = path.replace(/[^\w/.-]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`)
      const set = sd_bus_set_address(bus.#address, str(`unix:path=${escaped}`))
      check('sd_bus_set_address', set)
      checkSyscall('sd_bus_start', path, sd_bus_start(bus.#address))
    } catch (error) {
      bus.close()
      throw error
    }
    bus.#expectReady('sd_bus_start', ANSWER_LIMIT_MS)
    return bus
  }

  /** Waits until the other side knows us: sd-bus on its own would wait for that without an end. */
  #expectReady(doing: string, limitMs: number): void {
    const { sd_bus_is_ready, sd_bus_process } = sdBus()
    const deadlineMs = performance.now() + limitMs
    try {
      while (check(doing, sd_bus_is_ready(this.#address)) === 0) {
        if (check(doing, sd_bus_process(this.#address, 0)) > 0) continue
        if (!this.#wait(deadlineMs)) throw failure(doing, '', -E.TIMEDOUT)
      }
    } catch (error) {
      this.#abandon()
      throw error
    }
  }

  /** Closes without sending what is left: the other side does not listen. */
  #abandon(): void {
    const { sd_bus_close, sd_bus_unref } = sdBus()
    sd_bus_close(this.#address)
    sd_bus_unref(this.#address)
    this.#address = 0
  }

  close(): void {
    if (this.#address === 0) return
    sdBus().sd_bus_flush_close_unref(this.#address)
    this.#address = 0
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /**
   * Calls a method and waits for its answer, at most 30 seconds.
   *
   * @returns what the answer begins with, if `result` is the type of a simple value
   * @throws {BusError} that the method returned, or `System.Error.*` for the connection's failures
   */
  call(
    object: BusObject,
    method: string,
    { signature, values }: BusArguments = NO_ARGUMENTS,
    result?: 's' | 'o' | 'u',
  ): string | number | undefined {
    const message = alloc(8)
    const { sd_bus_message_new_method_call, sd_bus_message_unref, sd_bus_call } = sdBus()
    const made = sd_bus_message_new_method_call(
      this.#address,
      at(message),
      str(object.service),
      str(object.path),
      str(object.interface),
      str(method),
    )
    check('sd_bus_message_new_method_call', made)
    const request = get64(message)
    let reply = 0
    try {
      appendAll(request, signature, values, check)
      const answer = alloc(8)
      this.#expectGood((error) =>
        sd_bus_call(this.#address, request, ANSWER_LIMIT_MS * 1000, error, at(answer)),
      )
      reply = get64(answer)
      return result === undefined ? undefined : readBasic(reply, result, check)
    } finally {
      sd_bus_message_unref(request)
      sd_bus_message_unref(reply)
    }
  }

  /** A property that is a string. @throws {BusError} */
  stringProperty(object: BusObject, name: string): string {
    const result = alloc(8)
    const { sd_bus_get_property_string, free } = sdBus()
    this.#expectGood((error) =>
      sd_bus_get_property_string(
        this.#address,
        str(object.service),
        str(object.path),
        str(object.interface),
        str(name),
        error,
        at(result),
      ),
    )
    const address = get64(result)
    try {
      return stringAt(address)
    } finally {
      free(address)
    }
  }

  /** Has the bus pass on a signal of an object from now on. @throws {BusError} */
  subscribe({ service, path, interface: name }: BusObject, signal: string): void {
    if (!this.hasBroker) return
    const rule = `type='signal',sender='${service}',path='${path}',interface='${name}',member='${signal}'`
    const broker: BusObject = {
      service: 'org.freedesktop.DBus',
      path: '/org/freedesktop/DBus',
      interface: 'org.freedesktop.DBus',
    }
    this.call(broker, 'AddMatch', { signature: 's', values: [rule] })
  }

  /**
   * Waits for a signal; those that came during a call are not lost.
   *
   * @param types - of its first arguments, simple ones: `uoss`
   * @param deadlineMs - by performance.now()
   * @returns these arguments; undefined when the time is over
   * @throws {SyscallError} if the connection breaks
   */
  nextSignal(
    { interface: name }: BusObject,
    signal: string,
    types: string,
    deadlineMs: number,
  ): (string | number)[] | undefined {
    const { sd_bus_process, sd_bus_message_is_signal, sd_bus_message_unref } = sdBus()
    for (;;) {
      const place = alloc(8)
      const more = check('sd_bus_process', sd_bus_process(this.#address, at(place)))
      const message = get64(place)
      try {
        if (message !== 0 && sd_bus_message_is_signal(message, str(name), str(signal)) > 0) {
          return Array.from(types, (type) => readBasic(message, type, check))
        }
      } finally {
        sd_bus_message_unref(message)
      }
      if (more === 0 && !this.#wait(deadlineMs)) return undefined
    }
  }

  /** False when the time is over. */
  #wait(deadlineMs: number): boolean {
    const leftMs = deadlineMs - performance.now()
    if (leftMs <= 0) return false
    const result = sdBus().sd_bus_wait(this.#address, Math.ceil(leftMs * 1000))
    if (result !== -E.INTR) check('sd_bus_wait', result)
    return true
  }

  #expectGood(call: (error: number) => number): void {
    const error = alloc(ERROR_SIZE)
    const result = call(at(error))
    if (result >= 0) return
    const name = stringAt(get64(error))
    const message = stringAt(get64(error + 8))
    sdBus().sd_bus_error_free(at(error))
    throw name === '' ? failure('sd_bus_call', '', result) : new BusError(name, message)
  }
}
