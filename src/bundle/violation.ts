import type { Violation } from '../../spec/generated/validators.js'
import { type Pointer, SpecError } from '../base/errors.ts'
import { isRecord } from './fold.ts'
import { positionOf, segmentsOf } from './position.ts'

const LONGEST_TEXT = 60

/** The error for what a validator found; `value` is the folded document. */
export function violationError(
  text: string,
  fileName: string,
  value: unknown,
  violation: Violation | undefined,
): SpecError {
  const pointer = violation?.instancePath ?? ''
  return new SpecError(
    violationText(value, violation, fileName),
    pointer,
    positionOf(text, fileName, pointer),
  )
}

/**
 * What a validator found, in words: `mounts[3].destination: found number 5, allowed: string`.
 *
 * @param subject - what to call the document itself
 */
export function violationText(
  value: unknown,
  violation: Violation | undefined,
  subject: string,
): string {
  if (violation === undefined) return `${subject}: not valid`
  const place = violation.instancePath === '' ? subject : pathText(violation.instancePath)
  if (violation.keyword === 'required') {
    return `${place}: found no "${violation.params.missingProperty}", which is required`
  }
  const found = describe(valueAt(value, violation.instancePath))
  return `${place}: found ${found}, ${allowed(allowance(violation))}`
}

/** `allowed: ...` of a message. */
export function allowed(what: string): string {
  return `allowed: ${what}`
}

/** A pointer as a person writes it: `linux.sysctl["net.core.somaxconn"]`, `mounts[3].source`. */
export function pathText(pointer: Pointer): string {
  let path = ''
  for (const segment of segmentsOf(pointer)) {
    if (/^\d+$/.test(segment)) path += `[${segment}]`
    else if (!/^\w+$/.test(segment)) path += `[${JSON.stringify(segment)}]`
    else path += path === '' ? segment : `.${segment}`
  }
  return path
}

function allowance({ keyword, params }: Violation): string {
  switch (keyword) {
    case 'type':
      return String(params.type)
    case 'minimum':
      return `at least ${limitText(params.limit)}`
    case 'maximum':
      return `at most ${limitText(params.limit)}`
    case 'enum':
      return (params.allowedValues as readonly string[]).join(', ')
    case 'pattern':
      return `text of the form ${params.pattern}`
    case 'minItems':
      return `at least ${params.limit} entry`
    default:
      return keyword
  }
}

/** The limits of 64-bit fields, which the validators hold as doubles. */
function limitText(limit: unknown): string {
  if (limit === 2 ** 64) return String(2n ** 64n - 1n)
  if (limit === 2 ** 63) return String(2n ** 63n - 1n)
  return typeof limit === 'number' ? String(BigInt(limit)) : String(limit)
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'array'
  if (typeof value === 'object') return 'object'
  if (typeof value !== 'string') return `${typeof value} ${value}`
  const shown = value.length > LONGEST_TEXT ? `${value.slice(0, LONGEST_TEXT)}...` : value
  return `string ${JSON.stringify(shown)}`
}

function valueAt(value: unknown, pointer: Pointer): unknown {
  let at = value
  for (const segment of segmentsOf(pointer)) {
    if (Array.isArray(at)) at = at[Number(segment)]
    else if (isRecord(at) && Object.hasOwn(at, segment)) at = at[segment]
    else return undefined
  }
  return at
}
