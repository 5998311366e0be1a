import type { ParseError } from 'jsonc-parser'
import { messageOf, SpecError } from '../base/errors.ts'
import { lineAndColumn } from './position.ts'
import { parseTreeOf } from './syntax-tree.ts'

/** By jsonc-parser's ParseErrorCode, from 1. */
const PROBLEMS = [
  'unknown word',
  'malformed number',
  'property name expected',
  'value expected',
  'colon expected',
  'comma expected',
  'closing brace expected',
  'closing bracket expected',
  'end of file expected',
  'comments are not allowed',
  'comment without an end',
  'string without an end',
  'number without an end',
  'malformed \\u escape',
  'unknown escape in a string',
  'control character in a string',
]

/**
 * Parses the first JSON value of a text that JSON.parse refused; what follows it is ignored.
 *
 * @param cause - what JSON.parse threw
 * @throws {SpecError} with the place of the first syntax error
 */
export function parseFirstValue(text: string, fileName: string, cause: unknown): unknown {
  if (text.startsWith('\uFEFF')) {
    throw new SpecError('syntax error: byte order mark', '', `${fileName}:1:1`)
  }
  const errors: ParseError[] = []
  const root = parseTreeOf(text, errors)
  const end = root === undefined ? 0 : root.offset + root.length
  const first = errors[0]
  if (root !== undefined && (first === undefined || first.offset >= end)) {
    try {
      return JSON.parse(text.slice(0, end))
    } catch {
      // the position is the parser's to find
    }
  }
  const problem = first === undefined ? messageOf(cause) : (PROBLEMS[first.error - 1] ?? 'bad JSON')
  const position = `${fileName}:${lineAndColumn(text, first?.offset ?? 0)}`
  throw new SpecError(
    `syntax error: ${text.trim() === '' ? 'the file is empty' : problem}`,
    '',
    position,
  )
}
