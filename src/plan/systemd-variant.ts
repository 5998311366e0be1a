/** Values in the text format of GVariant, as annotations have them: `uint64 5`, `['a', 'b']`. */
import type { BusValue, BusVariant } from '../sys/sd-bus-message.ts'

/** Types by keyword. @see the GVariant text format, "Type annotations" */
const KEYWORDS: Readonly<Record<string, string>> = {
  boolean: 'b',
  byte: 'y',
  int16: 'n',
  uint16: 'q',
  int32: 'i',
  uint32: 'u',
  int64: 'x',
  uint64: 't',
  double: 'd',
  string: 's',
  objectpath: 'o',
  signature: 'g',
}

/** The least and the largest value of the whole numbers. */
const RANGES: Readonly<Record<string, readonly [bigint, bigint]>> = {
  y: [0n, 0xffn],
  n: [-0x8000n, 0x7fffn],
  q: [0n, 0xffffn],
  i: [-0x8000_0000n, 0x7fff_ffffn],
  u: [0n, 0xffff_ffffn],
  x: [-(2n ** 63n), 2n ** 63n - 1n],
  t: [0n, 2n ** 64n - 1n],
}

const TOKEN =
  /\s*(?:([[\](),])|@([a-z()]+)|(b?)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([^\s[\](),@'"]+))/suy

type Token =
  | { readonly kind: 'mark'; readonly text: string }
  | { readonly kind: 'type'; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'bytes'; readonly text: string }
  | { readonly kind: 'word'; readonly text: string }

/**
 * Reads one value. Numbers without a type are of the type that is wanted; without one, an int32, or a
 * double if there is a point or an exponent.
 *
 * @param wanted - the type it must have, of basic types, `a` and `()`; absent: as written
 * @throws {SyntaxError}
 */
export function parseVariant(text: string, wanted?: string): BusVariant {
  const tokens = tokensOf(text)
  const result = value(tokens, wanted)
  const more = tokens.shift()
  if (more !== undefined) throw new SyntaxError(`unexpected ${JSON.stringify(more.text)}`)
  return result
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  const end = text.trimEnd().length
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < end) {
    const start = TOKEN.lastIndex
    const found = TOKEN.exec(text)
    if (found === null)
      throw new SyntaxError(`unexpected ${JSON.stringify(text.slice(start, end))}`)
    const [, mark, type, bytes, quoted, word] = found
    if (mark !== undefined) tokens.push({ kind: 'mark', text: mark })
    else if (type !== undefined) tokens.push({ kind: 'type', text: type })
    else if (quoted !== undefined)
      tokens.push({ kind: bytes === 'b' ? 'bytes' : 'text', text: unquoted(quoted) })
    else tokens.push({ kind: 'word', text: word ?? '' })
  }
  return tokens
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\n': '',
}

function unquoted(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replace(/\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)/gsu, (_, code: string) => {
      if (code.length === 1) return ESCAPES[code] ?? code
      return String.fromCodePoint(Number.parseInt(code.slice(1), 16))
    })
}

function next(tokens: Token[]): Token {
  const token = tokens.shift()
  if (token === undefined) throw new SyntaxError('unexpected end of input')
  return token
}

function value(tokens: Token[], wanted: string | undefined): BusVariant {
  const token = next(tokens)
  if (token.kind === 'type') return typed(tokens, token.text, wanted)
  if (token.kind === 'mark') {
    if (token.text === '[') return list(tokens, wanted)
    if (token.text === '(') return structure(tokens, wanted)
    throw new SyntaxError(`unexpected ${JSON.stringify(token.text)}`)
  }
  if (token.kind === 'bytes') {
    return expect({ signature: 'ay', value: Buffer.from(`${token.text}\0`) }, wanted)
  }
  if (token.kind === 'text') {
    const signature = wanted === 'o' || wanted === 'g' ? wanted : 's'
    return expect({ signature, value: token.text }, wanted)
  }
  const type = KEYWORDS[token.text]
  if (type !== undefined) return typed(tokens, type, wanted)
  if (token.text === 'true' || token.text === 'false') {
    return expect({ signature: 'b', value: token.text === 'true' }, wanted)
  }
  return number(token.text, wanted)
}

/** A value whose type is written in front of it. */
function typed(tokens: Token[], type: string, wanted: string | undefined): BusVariant {
  return expect(value(tokens, type), wanted)
}

function expect(found: BusVariant, wanted: string | undefined): BusVariant {
  if (wanted === undefined || found.signature === wanted) return found
  throw new SyntaxError(`has type ${found.signature}, wanted is ${wanted}`)
}

function number(text: string, wanted: string | undefined): BusVariant {
  const isWhole = /^[+-]?(0x[0-9a-f]+|\d+)$/i.test(text)
  const isDecimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)
  if (!isWhole && !isDecimal) throw new SyntaxError(`unknown word ${JSON.stringify(text)}`)
  const signature = wanted ?? (isWhole ? 'i' : 'd')
  if (signature === 'd') return { signature, value: Number(text) }
  const range = RANGES[signature]
  if (range === undefined || !isWhole) {
    throw new SyntaxError(`is the number ${text}, wanted is ${signature}`)
  }
  const [least, largest] = range
  const whole = text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text.replace('+', ''))
  if (whole < least || whole > largest) throw new SyntaxError(`number ${text} is out of range`)
  return { signature, value: signature === 't' || signature === 'x' ? whole : Number(whole) }
}

/** The rest of a list after its bracket. */
function list(tokens: Token[], wanted: string | undefined): BusVariant {
  if (wanted !== undefined && !wanted.startsWith('a')) {
    throw new SyntaxError(`is a list, wanted is ${wanted}`)
  }
  let element = wanted?.slice(1)
  const items: BusValue[] = []
  if (takes(tokens, ']')) {
    if (element === undefined) throw new SyntaxError('empty list without a type')
  } else {
    do {
      const item = value(tokens, element)
      element = item.signature
      items.push(item.value)
    } while (takes(tokens, ','))
    demand(tokens, ']')
  }
  const bytes = element === 'y' ? Uint8Array.from(items, Number) : undefined
  return { signature: `a${element}`, value: bytes ?? items }
}

/** The rest of a structure after its bracket; with `wanted`, of simple members. */
function structure(tokens: Token[], wanted: string | undefined): BusVariant {
  const types = wanted === undefined ? undefined : /^\(([a-z]+)\)$/.exec(wanted)?.[1]
  if (wanted !== undefined && types === undefined) {
    throw new SyntaxError(`is a structure, wanted is ${wanted}`)
  }
  const members: BusVariant[] = []
  do members.push(value(tokens, types?.[members.length]))
  while (takes(tokens, ','))
  demand(tokens, ')')
  const signature = `(${members.map((member) => member.signature).join('')})`
  return expect({ signature, value: members.map((member) => member.value) }, wanted)
}

function takes(tokens: Token[], mark: string): boolean {
  const [first] = tokens
  if (first?.kind !== 'mark' || first.text !== mark) return false
  tokens.shift()
  return true
}

function demand(tokens: Token[], mark: string): void {
  if (!takes(tokens, mark)) throw new SyntaxError(`${JSON.stringify(mark)} expected`)
}
