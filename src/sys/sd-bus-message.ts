/** Values of D-Bus in messages: written by signature, and the simple ones read. */
import { alloc, arena, at, get64, put64, room, str, view } from './memory.ts'
import { sdBus, stringAt } from './sd-bus-library.ts'

/**
 * A value as its signature wants it: `b` a boolean, `y n q i u x t d` a number (64 bits: a bigint if
 * need be), `s o g` text, `ay` bytes, other arrays and structures a list, `v` a `BusVariant`.
 */
export type BusValue =
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | BusVariant
  | readonly BusValue[]

/** A value with its type: `{ signature: 't', value: 5n }`. */
export interface BusVariant {
  readonly signature: string
  readonly value: BusValue
}

/** Lets a good result of sd-bus through. */
export type Check = (doing: string, result: number) => number

/** Where the complete type that begins at `start` of a signature ends. */
function endOfType(signature: string, start: number): number {
  const first = signature[start] ?? ''
  if (first === 'a') return endOfType(signature, start + 1)
  if (first !== '(') return start + 1
  let end = start + 1
  while (end < signature.length && signature[end] !== ')') end = endOfType(signature, end)
  return end + 1
}

/** The complete types of a signature: `sa(sv)` gives `s` and `a(sv)`. */
export function typesOf(signature: string): string[] {
  const types: string[] = []
  for (let start = 0; start < signature.length; ) {
    const end = endOfType(signature, start)
    types.push(signature.slice(start, end))
    start = end
  }
  return types
}

/**
 * Appends values to a message.
 *
 * @param message - its address
 * @param signature - a complete type for each value
 * @throws {TypeError} if a value is not what its type wants
 */
export function appendAll(
  message: number,
  signature: string,
  values: readonly BusValue[],
  check: Check,
): void {
  const types = typesOf(signature)
  if (types.length !== values.length) throw wrongValue(signature, values)
  values.forEach((value, index) => {
    append(message, types[index] ?? '', value, check)
  })
}

function append(message: number, type: string, value: BusValue, check: Check): void {
  if (type === 'ay' && value instanceof Uint8Array) {
    appendBytes(message, value, check)
  } else if (type === 'v' && isVariant(value)) {
    const { signature } = value
    appendContainer(message, 'v', signature, check, () => {
      append(message, signature, value.value, check)
    })
  } else if (type.startsWith('a') && isList(value)) {
    const element = type.slice(1)
    appendContainer(message, 'a', element, check, () => {
      for (const item of value) append(message, element, item, check)
    })
  } else if (type.startsWith('(') && isList(value)) {
    const members = type.slice(1, -1)
    appendContainer(message, 'r', members, check, () => {
      appendAll(message, members, value, check)
    })
  } else {
    const pointer = putBasic(type, value)
    const result = sdBus().sd_bus_message_append_basic(message, code(type), pointer)
    check('sd_bus_message_append_basic', result)
  }
}

function isList(value: BusValue): value is readonly BusValue[] {
  return Array.isArray(value)
}

function isVariant(value: BusValue): value is BusVariant {
  return typeof value === 'object' && 'signature' in value
}

function code(type: string): number {
  return type.charCodeAt(0)
}

function wrongValue(type: string, value: unknown): TypeError {
  return new TypeError(`value of type ${typeof value} where D-Bus has ${JSON.stringify(type)}`)
}

function appendContainer(
  message: number,
  kind: string,
  contents: string,
  check: Check,
  fill: () => void,
): void {
  const { sd_bus_message_open_container, sd_bus_message_close_container } = sdBus()
  const opened = sd_bus_message_open_container(message, code(kind), str(contents))
  check('sd_bus_message_open_container', opened)
  fill()
  check('sd_bus_message_close_container', sd_bus_message_close_container(message))
}

function appendBytes(message: number, bytes: Uint8Array, check: Check): void {
  const copy = room(bytes.length)
  arena.set(bytes, copy)
  const result = sdBus().sd_bus_message_append_array(message, code('y'), at(copy), bytes.length)
  check('sd_bus_message_append_array', result)
}

/** Puts a simple value into the arena; returns the address that sd-bus wants for it. */
function putBasic(type: string, value: BusValue): number {
  if (typeof value === 'string' && /^[sog]$/.test(type)) return str(value)
  const offset = alloc(8)
  if (type === 'b' && typeof value === 'boolean') {
    view.setInt32(offset, value ? 1 : 0, true)
  } else if (type === 'd' && typeof value === 'number') {
    view.setFloat64(offset, value, true)
  } else if (/^[ynqiuxt]$/.test(type) && (typeof value === 'number' || typeof value === 'bigint')) {
    // little-endian: the first bytes are the narrower types
    put64(offset, BigInt(value))
  } else {
    throw wrongValue(type, value)
  }
  return at(offset)
}

/** Reads the next value of a message, of one of the types `s o g` (text) and `b u` (a number). */
export function readBasic(message: number, type: string, check: Check): string | number {
  const result = alloc(8)
  const got = sdBus().sd_bus_message_read_basic(message, code(type), at(result))
  check('sd_bus_message_read_basic', got)
  return /^[sog]$/.test(type) ? stringAt(get64(result)) : view.getUint32(result, true)
}
