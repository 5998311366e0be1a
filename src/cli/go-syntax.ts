/** Values on the command line are written, and quoted in messages, the way Go does it. */

/** What a value could not be read as; `message` is the end of runc's "invalid value" text. */
export class ValueError extends Error {}

const DIGITS: Readonly<Record<string, RegExp>> = {
  '0x': /^[0-9a-f]+$/i,
  '0o': /^[0-7]+$/,
  '0b': /^[01]+$/,
  '': /^[0-9]+$/,
}

/**
 * Reads an integer literal of Go: an optional sign, `0x`, `0o`, `0b` or a bare leading `0`
 * (octal), and single underscores between digits when there is a prefix.
 *
 * @throws {ValueError} not an integer, or not representable (beyond 2^53)
 * @see https://go.dev/ref/spec#Integer_literals
 */
export function parseInteger(text: string): number {
  const invalid = () => new ValueError(`strconv.ParseInt: parsing ${quote(text)}: invalid syntax`)
  const sign = /^[+-]/.test(text) ? text.slice(0, 1) : ''
  let body = text.slice(sign.length).toLowerCase()
  let prefix = /^0[xob]/.test(body) ? body.slice(0, 2) : ''
  if (prefix === '' && /^0[0-9_]/.test(body)) prefix = '0'
  body = body.slice(prefix.length)
  if (body.includes('_')) {
    if (prefix === '' || /__|_$/.test(body)) throw invalid()
    body = body.replaceAll('_', '')
  }
  if (prefix === '0') prefix = '0o'
  if (!DIGITS[prefix]?.test(body)) throw invalid()
  const value = Number(prefix + body)
  if (!Number.isSafeInteger(value))
    throw new ValueError(`strconv.ParseInt: parsing ${quote(text)}: value out of range`)
  return sign === '-' && value !== 0 ? -value : value
}

/** Reads a Go boolean: `1 t T TRUE true True 0 f F FALSE false False`. @throws {ValueError} */
export function parseBoolean(text: string): boolean {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true
  if (/^(?:0|f|F|FALSE|false|False)$/.test(text)) return false
  throw new ValueError('parse error')
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

function escapeCharacter(character: string): string {
  const known = ESCAPES[character]
  if (known !== undefined) return known
  const code = character.codePointAt(0) ?? 0
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`
  if (code < 0x1_0000) return `\\u${code.toString(16).padStart(4, '0')}`
  return `\\U${code.toString(16).padStart(8, '0')}`
}

/** A double-quoted Go string: what is not printable, `"` and `\` are escaped. */
export function quote(text: string): string {
  if (/^[ !#-[\]-~]*$/.test(text)) return `"${text}"`
  return `"${text.replace(/["\\]|[^ \p{L}\p{M}\p{N}\p{P}\p{S}]/gu, escapeCharacter)}"`
}

/** `text` with control characters escaped, for a terminal or a log; `keep` are left alone. */
export function escapeControls(text: string, keep = ''): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (c) =>
    keep.includes(c) ? c : escapeCharacter(c),
  )
}
