import type { Node } from 'jsonc-parser'
import { KINDS, type Kinds } from '../../spec/generated/keys.ts'
import { SpecError } from '../base/errors.ts'
import { isRecord, knownName } from './fold.ts'
import { lineAndColumn } from './position.ts'
import { parseTreeOf } from './syntax-tree.ts'
import { allowed, pathText } from './violation.ts'

const INT64 = { kind: 1, min: -(2n ** 63n), max: 2n ** 63n - 1n }
const UINT64 = { kind: 2, min: 0n, max: 2n ** 64n - 1n }

interface Source {
  readonly text: string
  readonly fileName: string
}

/**
 * Replaces, in place, the 64-bit numbers of a folded and validated document that JSON.parse had to
 * round: those beyond 2^53 become bigint, read from the text.
 *
 * @throws {SpecError} for a number outside the range of its field
 */
export function restoreIntegers(
  text: string,
  fileName: string,
  value: unknown,
  kind: number,
): void {
  const root = parseTreeOf(text)
  if (root === undefined) throw new SpecError('values are nested too deep', '', `${fileName}:1:1`)
  restore({ text, fileName }, value, root, kind, '')
}

function restore(source: Source, value: unknown, node: Node, kind: number, at: string): void {
  const kinds = KINDS[kind]
  if (kind <= UINT64.kind || kinds === undefined) return
  if (Array.isArray(value)) {
    node.children?.forEach((element, index) => {
      restore(source, value[index], element, kind, `${at}/${index}`)
    })
    return
  }
  if (!isRecord(value)) return
  for (const [name, member] of membersOf(node, kinds)) {
    const found = value[name]
    const memberKind = kinds['*'] ?? kinds[name] ?? 0
    const pointer = `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (typeof found !== 'number') restore(source, found, member, memberKind, pointer)
    else if (!Number.isSafeInteger(found)) {
      const exact = integerAt(source, member, memberKind, pointer)
      if (exact !== undefined) value[name] = exact
    }
  }
}

/** The nodes that count, by known name: of equal names the last, exact ones before others. */
function membersOf(node: Node, kinds: Kinds): Map<string, Node> {
  const exact = new Map<string, Node>()
  const folded = new Map<string, Node>()
  const isMap = kinds['*'] !== undefined
  for (const { children: [key, value] = [] } of node.children ?? []) {
    const given = String(key?.value)
    const name = isMap ? given : knownName(given, kinds)
    if (name === undefined || value === undefined) continue
    if (name === given) exact.set(name, value)
    else if (value.type !== 'null') folded.set(name, value)
  }
  for (const [name, value] of folded) {
    if ((exact.get(name)?.type ?? 'null') === 'null') exact.set(name, value)
  }
  return exact
}

function integerAt(source: Source, node: Node, kind: number, pointer: string): bigint | undefined {
  const range = kind === INT64.kind ? INT64 : kind === UINT64.kind ? UINT64 : undefined
  if (range === undefined) return undefined
  const literal = source.text.slice(node.offset, node.offset + node.length)
  const exact = integerOf(literal)
  if (exact !== undefined && exact >= range.min && exact <= range.max) return exact
  throw new SpecError(
    `${pathText(pointer)}: found number ${literal}, ${allowed(`integer from ${range.min} to ${range.max}`)}`,
    pointer,
    `${source.fileName}:${lineAndColumn(source.text, node.offset)}`,
  )
}

/** The integer that a JSON number literal denotes; undefined for a fraction. */
function integerOf(literal: string): bigint | undefined {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(literal) ?? []
  const shift = Number(exponent) - fraction.length
  const digits = BigInt(whole + fraction)
  // a validated number is below 10^20, so the power stays small unless the digits are zeros
  if (Math.abs(shift) > 400) return undefined
  const scale = 10n ** BigInt(Math.abs(shift))
  if (shift < 0 && digits % scale !== 0n) return undefined
  const magnitude = shift < 0 ? digits / scale : digits * scale
  return sign === '-' ? -magnitude : magnitude
}
