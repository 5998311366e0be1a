/**
 * Strings and structures for system calls, in the arena.
 *
 * The arena is used as a ring: what was put there stays valid until about 240 KB more have been
 * put, which is far more than the arguments of one call. What must stay is taken with `keep`.
 */
import { arena, base, view } from './ffi.ts'
import { decodeName, encodeName } from './text.ts'

/** Bytes at the arena's start that the ring never reuses. */
const KEPT = 16 * 1024
/** Longest string in one piece; longer ones no system call here takes (PATH_MAX is 4,096). */
const LONGEST = 64 * 1024

let kept = 0
let top: number = KEPT

/**
 * Reserves `size` bytes in the ring, with whatever is in them: for results of the kernel. Every
 * page that is touched for the first time costs a page fault, and one more in a copy of the
 * process; so what is read is read in small pieces.
 *
 * @returns their offset in the arena, 8-byte aligned
 * @throws {RangeError} for more than the ring holds
 */
export function room(size: number): number {
  if (size > arena.length - KEPT) throw new RangeError(`${size} bytes at once are too many`)
  if (top + size > arena.length) top = KEPT
  const offset = top
  top = (top + size + 7) & ~7
  return offset
}

/** As `room`, zeroed: for structures that are filled in part. */
export function alloc(size: number): number {
  const offset = room(size)
  arena.fill(0, offset, offset + size)
  return offset
}

/** Reserves `size` zeroed bytes for the life of the process; returns their offset. */
export function keep(size: number): number {
  const offset = kept
  kept = (kept + size + 7) & ~7
  if (kept > KEPT) throw new RangeError('arena: no room left to keep')
  return offset
}

/** The address of an offset in the arena. */
export function at(offset: number): number {
  return base + offset
}

/**
 * Puts a NUL-terminated UTF-8 string into the ring; names of `nameAt` as they were.
 *
 * @returns its address
 * @throws {RangeError} if it holds a NUL, which the kernel would take for its end, or is longer
 *   than 64 KB
 */
export function str(text: string): number {
  if (text.includes('\0')) throw new RangeError(`string contains nul byte: ${JSON.stringify(text)}`)
  const most = text.length * 3 + 1
  if (most > LONGEST * 3) throw new RangeError(`string of ${text.length} characters is too long`)
  if (top + most > arena.length) top = KEPT
  const offset = top
  const length = text.isWellFormed()
    ? arena.write(text, offset, 'utf8')
    : encodeName(text).copy(arena, offset)
  arena[offset + length] = 0
  top = (offset + length + 8) & ~7
  return base + offset
}

/** Writes a signed or unsigned 64-bit value; -1 gives 0xffffffffffffffff. */
export function put64(offset: number, value: number | bigint): void {
  if (typeof value === 'bigint') {
    view.setBigUint64(offset, BigInt.asUintN(64, value), true)
    return
  }
  view.setUint32(offset, value >>> 0, true)
  view.setInt32(offset + 4, Math.floor(value / 0x1_0000_0000), true)
}

/** Reads an unsigned 64-bit value below 2^53. */
export function get64(offset: number): number {
  return view.getUint32(offset + 4, true) * 0x1_0000_0000 + view.getUint32(offset, true)
}

/** Reads a name of `length` bytes, which `str` can put back as it was. */
export function nameAt(offset: number, length: number): string {
  return decodeName(arena.subarray(offset, offset + length), text(offset, length))
}

/** Reads text of `length` bytes. */
export function text(offset: number, length: number): string {
  return arena.toString('utf8', offset, offset + length)
}

export { arena, view }
