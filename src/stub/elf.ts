/**
 * Writer of static ELF executables: the file's first page is mapped read-execute at `CODE_BASE`,
 * what follows it, if anything, read-write at `DATA_BASE`.
 *
 * @see elf(5)
 */

import type { Machine } from './instructions.ts'

/** Address of the file's first byte in memory. */
export const CODE_BASE = 0x400000
/** Bytes of the file before the data; code and headers fit into them. */
export const CODE_SIZE = 0x1000
/**
 * Address of the first data byte. Its distance from `CODE_BASE` equals that in the file modulo
 * 64 KiB, yet lies in another page, so that kernels with pages of 16 or 64 KiB take it too.
 */
export const DATA_BASE = 0x411000

const PT_LOAD = 1
const PT_GNU_STACK = 0x6474e551
const PF_X = 1
const PF_W = 2
const PF_R = 4
const FILE_HEADER_SIZE = 64
const SEGMENT_HEADER_SIZE = 56
const MACHINE_NUMBER = { 'x86-64': 62, aarch64: 183 } as const

interface Segment {
  readonly type: number
  readonly flags: number
  readonly offset: number
  readonly address: number
  readonly size: number
}

/** Offset of the data segment's header; its sizes are filled in by `setDataSize`. */
const DATA_SEGMENT = FILE_HEADER_SIZE + 2 * SEGMENT_HEADER_SIZE

/** Bytes of the headers in front of the code. */
export function headerSize(hasData: boolean): number {
  return FILE_HEADER_SIZE + (hasData ? 3 : 2) * SEGMENT_HEADER_SIZE
}

function writeFileHeader(view: DataView, machine: Machine, segments: number): void {
  view.setUint32(0, 0x464c457f, true) // magic
  view.setUint32(4, 0x00010102, true) // 64 bits, little-endian, version 1
  view.setUint16(16, 2, true) // ET_EXEC
  view.setUint16(18, MACHINE_NUMBER[machine], true)
  view.setUint32(20, 1, true)
  view.setUint32(24, CODE_BASE + headerSize(segments === 3), true) // entry
  view.setUint32(32, FILE_HEADER_SIZE, true) // offset of the segment headers
  view.setUint16(52, FILE_HEADER_SIZE, true)
  view.setUint16(54, SEGMENT_HEADER_SIZE, true)
  view.setUint16(56, segments, true)
  view.setUint16(58, 64, true) // size of a section header, of which there is none
}

function writeSegment(view: DataView, at: number, segment: Segment): void {
  view.setUint32(at, segment.type, true)
  view.setUint32(at + 4, segment.flags, true)
  view.setUint32(at + 8, segment.offset, true)
  view.setUint32(at + 16, segment.address, true)
  view.setUint32(at + 24, segment.address, true)
  view.setUint32(at + 32, segment.size, true)
  view.setUint32(at + 40, segment.size, true)
  view.setUint32(at + 48, segment.type === PT_LOAD ? 0x10000 : 16, true) // alignment
}

/**
 * An executable that starts at the first byte of `code`.
 *
 * @param hasData - leave room for a data segment: the result is then `CODE_SIZE` bytes long, data
 *   is to be appended and its size entered by `setDataSize`
 * @throws {RangeError} headers and code are longer than `CODE_SIZE`
 */
export function writeElf(machine: Machine, code: Uint8Array, hasData: boolean): Uint8Array {
  const size = headerSize(hasData) + code.length
  if (size > CODE_SIZE) throw new RangeError(`code too long: ${size} bytes`)
  const image = new Uint8Array(hasData ? CODE_SIZE : size)
  const view = new DataView(image.buffer)
  writeFileHeader(view, machine, hasData ? 3 : 2)
  const stack = { type: PT_GNU_STACK, flags: PF_R | PF_W, offset: 0, address: 0, size: 0 }
  const text = { type: PT_LOAD, flags: PF_R | PF_X, offset: 0, address: CODE_BASE, size }
  writeSegment(view, FILE_HEADER_SIZE, stack)
  writeSegment(view, FILE_HEADER_SIZE + SEGMENT_HEADER_SIZE, text)
  if (hasData) {
    const address = DATA_BASE
    const data = { type: PT_LOAD, flags: PF_R | PF_W, offset: CODE_SIZE, address, size: 0 }
    writeSegment(view, DATA_SEGMENT, data)
  }
  image.set(code, headerSize(hasData))
  return image
}

/** Enters the size in bytes of the data that follows `CODE_SIZE` in `image`. */
export function setDataSize(image: DataView, size: number): void {
  image.setUint32(DATA_SEGMENT + 32, size, true)
  image.setUint32(DATA_SEGMENT + 40, size, true)
}
