/**
 * Names of the kernel's as strings. They are bytes that need not be UTF-8: a byte that is not part
 * of it becomes a lone surrogate, U+DC00 above its value, and that byte again on the way back.
 *
 * @see PEP 383, which does the same
 */

const ESCAPE = 0xdc00
const REPLACEMENT = '\ufffd'

/** Length of the UTF-8 sequence that begins with `byte`. */
function sequenceLength(byte: number): number {
  if (byte < 0xc0) return 1
  if (byte < 0xe0) return 2
  return byte < 0xf0 ? 3 : 4
}

/** Decodes a name of which `lossy` is the common decoding. */
export function decodeName(bytes: Buffer, lossy: string): string {
  if (!lossy.includes(REPLACEMENT)) return lossy
  let name = ''
  for (let i = 0; i < bytes.length; ) {
    const first = bytes[i] as number
    const piece = bytes.subarray(i, i + sequenceLength(first))
    const decoded = piece.toString('utf8')
    if (Buffer.from(decoded).equals(piece)) {
      name += decoded
      i += piece.length
    } else {
      name += String.fromCharCode(ESCAPE + first)
      i++
    }
  }
  return name
}

/** The bytes of a name that `decodeName` has given, or of any other text. */
export function encodeName(name: string): Buffer {
  if (name.isWellFormed()) return Buffer.from(name)
  const parts = Array.from(name, (character) => {
    const code = character.charCodeAt(0) - ESCAPE
    const escaped = character.length === 1 && code >= 0x80 && code <= 0xff
    return escaped ? Buffer.of(code) : Buffer.from(character)
  })
  return Buffer.concat(parts)
}
