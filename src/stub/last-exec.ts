/**
 * The last-exec stub: a static executable whose program is a table of system calls. A container's
 * first process becomes it before the container's own program, so that a created container waits
 * in a few pages and its /proc/PID/exe is never a file of the host (CVE-2019-5736).
 */

import { CODE_SIZE, DATA_BASE, setDataSize } from './elf.ts'
import { ERROR_TEXTS, LAST_EXEC } from './generated/last-exec.ts'
import type { Machine } from './instructions.ts'
import * as layout from './last-exec-layout.ts'
import type { Arg, Program, Row } from './program.ts'

const encoder = new TextEncoder()

/** An image that grows while data is appended. Addresses are those of the running stub. */
interface Image {
  bytes: Uint8Array
  view: DataView
  /** Offset of the first free byte. */
  end: number
  readonly handler: number
  /** Addresses of arguments that have been placed. */
  readonly placed: Map<object, number>
}

function addressAt(offset: number): number {
  return offset - CODE_SIZE + DATA_BASE
}

function offsetOf(address: number): number {
  return address - DATA_BASE + CODE_SIZE
}

/** Takes `size` zero bytes at a multiple of `alignment`, a power of two; returns their offset. */
function reserve(image: Image, size: number, alignment: number): number {
  const offset = (image.end + alignment - 1) & -alignment
  image.end = offset + size
  if (image.end > image.bytes.length) {
    const grown = new Uint8Array(2 * image.end)
    grown.set(image.bytes)
    image.bytes = grown
    image.view = new DataView(grown.buffer)
  }
  return offset
}

function setWord(image: Image, offset: number, value: number | bigint): void {
  if (typeof value === 'bigint') {
    image.view.setBigUint64(offset, BigInt.asUintN(64, value), true)
    return
  }
  if (!Number.isSafeInteger(value)) throw new RangeError(`not an integer: ${value}`)
  const low = value >>> 0
  image.view.setUint32(offset, low, true)
  // exact, and without Math, whose first use costs 0.15 ms
  image.view.setInt32(offset + 4, (value - low) / 0x100000000, true)
}

/** Appends bytes and a NUL; returns their address. */
function placeString(image: Image, text: string): number {
  if (text.includes('\0')) throw new RangeError(`string with a NUL byte: ${JSON.stringify(text)}`)
  const offset = reserve(image, 3 * text.length + 1, 1)
  const { written } = encoder.encodeInto(text, image.bytes.subarray(offset))
  image.end = offset + written + 1
  return addressAt(offset)
}

function placeBytes(image: Image, bytes: Uint8Array): number {
  const offset = reserve(image, bytes.length, 8)
  image.bytes.set(bytes, offset)
  return addressAt(offset)
}

function placeStrings(image: Image, strings: readonly string[]): number {
  const offset = reserve(image, 8 * (strings.length + 1), 8)
  for (const [i, text] of strings.entries()) {
    setWord(image, offset + 8 * i, placeString(image, text))
  }
  return addressAt(offset)
}

function placeWords(image: Image, words: readonly Arg[]): number {
  const offset = reserve(image, 8 * words.length, 8)
  for (const [i, word] of words.entries()) setWord(image, offset + 8 * i, place(image, word))
  return addressAt(offset)
}

/** The value of an argument as a register sees it; what it points to is appended once. */
function place(image: Image, arg: Arg): number | bigint {
  if (typeof arg !== 'object') return arg
  if ('handler' in arg) return image.handler
  const known = image.placed.get(arg)
  if (known !== undefined) return known
  const address =
    'bytes' in arg
      ? placeBytes(image, arg.bytes)
      : 'string' in arg
        ? placeString(image, arg.string)
        : 'strings' in arg
          ? placeStrings(image, arg.strings)
          : placeWords(image, arg.words)
  image.placed.set(arg, address)
  return address
}

function destination(program: Program, { dst }: Row): number {
  if (dst === undefined) return 0
  const isInRange = dst.row >= 0 && dst.row < program.rows.length && dst.arg >= 0 && dst.arg < 6
  if (!isInRange) throw new RangeError(`no argument ${dst.arg} of row ${dst.row}`)
  return layout.ROWS + dst.row * layout.ROW_SIZE + 8 * (dst.arg + 1)
}

function placeRow(image: Image, program: Program, index: number, row: Row): void {
  if (row.args.length > 6) throw new RangeError(`row ${index} has ${row.args.length} arguments`)
  const offset = offsetOf(layout.ROWS) + index * layout.ROW_SIZE
  setWord(image, offset, row.nr)
  for (const [i, arg] of row.args.entries()) setWord(image, offset + 8 * (i + 1), place(image, arg))
  setWord(image, offset + 56, destination(program, row))
  setWord(image, offset + 64, layout.MODE[row.mode])
}

/**
 * The stub that carries out `program`, as the bytes of an ELF file: for a sealed memfd and
 * execveat(2), or any file. Its own arguments and environment do not matter.
 *
 * @throws {RangeError} a string with a NUL byte, a number that is not an integer, more than six
 *   arguments, a `dst` that does not exist
 */
export function buildLastExec(machine: Machine, program: Program): Uint8Array {
  const { code, handler } = LAST_EXEC[machine]
  const bytes = new Uint8Array(0x4000)
  new Uint32Array(bytes.buffer).set(code)
  const view = new DataView(bytes.buffer)
  const image: Image = { bytes, view, end: CODE_SIZE, handler, placed: new Map() }
  const rows = program.rows.length
  reserve(image, layout.ROWS - DATA_BASE + rows * layout.ROW_SIZE + 8, 8)
  setWord(image, offsetOf(layout.REPORT_FD), program.reportFd)
  setWord(image, offsetOf(layout.IGNORE_ACTION), 1) // SIG_IGN
  for (const [index, row] of program.rows.entries()) placeRow(image, program, index, row)
  setWord(image, offsetOf(layout.ROWS) + rows * layout.ROW_SIZE, -1)
  const prefix = placeString(image, program.execFailurePrefix)
  setWord(image, offsetOf(layout.ERROR_LINE), prefix)
  setWord(image, offsetOf(layout.ERROR_LINE) + 8, addressAt(image.end) - prefix - 1)
  // last, so that the page is not touched unless the exec fails
  setWord(image, offsetOf(layout.ERROR_TEXTS), placeString(image, ERROR_TEXTS))
  setDataSize(image.view, image.end - CODE_SIZE)
  return image.bytes.subarray(0, image.end)
}

/**
 * What a stub has written to its `reportFd`: the index of the row, and the positive error number
 * (0: a `fatal-or-zero` row returned 0), or of a `fork` row the child's process id, negated.
 *
 * @param record - 16 bytes
 * @throws {RangeError} not a record
 */
export function decodeRecord(record: Uint8Array): { row: number; errno: number } {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength)
  const row = (Number(view.getBigUint64(0, true)) - layout.ROWS) / layout.ROW_SIZE
  const errno = -view.getInt32(8, true)
  if (!Number.isInteger(row) || row < 0) throw new RangeError('not a record')
  return { row, errno: errno + 0 }
}
