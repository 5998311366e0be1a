/** libsystemd's part for D-Bus, loaded when it is first used. @see sd-bus(3) */
import { messageOf } from '../base/errors.ts'
import { bind, type LibraryFunctions } from './ffi.ts'
import { at, room, text } from './memory.ts'

/** How many parameters each function has; the variadic ones are not used. */
const SD_BUS = {
  sd_bus_error_free: 1,
  sd_bus_close: 1,
  sd_bus_flush_close_unref: 1,
  sd_bus_call: 5,
  sd_bus_get_property_string: 7,
  sd_bus_is_ready: 1,
  sd_bus_message_append_array: 4,
  sd_bus_message_append_basic: 3,
  sd_bus_message_close_container: 1,
  sd_bus_message_is_signal: 3,
  sd_bus_message_new_method_call: 6,
  sd_bus_message_open_container: 3,
  sd_bus_message_read_basic: 3,
  sd_bus_message_unref: 1,
  sd_bus_new: 1,
  sd_bus_open_system: 1,
  sd_bus_open_user: 1,
  sd_bus_process: 2,
  sd_bus_set_address: 2,
  sd_bus_start: 1,
  sd_bus_unref: 1,
  sd_bus_wait: 2,
} as const

const C = { free: 1, memcpy: 3, strnlen: 2 } as const

type Library = LibraryFunctions<keyof typeof SD_BUS | keyof typeof C>

let loaded: Library | undefined

/**
 * The functions, with the C library's that go with them. Starts no thread.
 *
 * @throws {Error} if libsystemd is not there
 */
export function sdBus(): Library {
  if (loaded === undefined) {
    try {
      loaded = { ...bind('libsystemd.so.0', SD_BUS), ...bind(null, C) }
    } catch (cause) {
      const message = `cannot use D-Bus without libsystemd.so.0: ${messageOf(cause)}`
      throw new Error(message, { cause })
    }
  }
  return loaded
}

/** Longest text that is read: names, paths and messages are shorter. */
const LONGEST = 4096

/** The NUL-terminated string at an address of the library's; empty for a null pointer. */
export function stringAt(address: number): string {
  if (address === 0) return ''
  const { memcpy, strnlen } = sdBus()
  const length = strnlen(address, LONGEST)
  const copy = room(length)
  memcpy(at(copy), address, length)
  return text(copy, length)
}
