import type { Node } from 'jsonc-parser'
import type { Pointer } from '../base/errors.ts'
import { parseTreeOf } from './syntax-tree.ts'

/**
 * Where in a JSON text the value of a pointer stands: `config.json:41:7`, both from 1, the column
 * in characters. Names match as they do when the file is read. If there is no such value, the
 * place of the innermost object or array that there is.
 *
 * @returns undefined if the text has no readable JSON value
 */
export function positionOf(text: string, fileName: string, pointer: Pointer): string | undefined {
  let node = parseTreeOf(text)
  if (node === undefined) return undefined
  for (const name of segmentsOf(pointer)) {
    const next = memberOf(node, name)
    if (next === undefined) break
    node = next
  }
  return `${fileName}:${lineAndColumn(text, node.offset)}`
}

/** The unescaped segments of an RFC 6901 pointer. */
export function segmentsOf(pointer: Pointer): string[] {
  const segments = pointer.split('/').slice(1)
  return segments.map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function memberOf(node: Node, name: string): Node | undefined {
  const { children = [] } = node
  if (node.type === 'array') return children[Number(name)]
  const lower = name.toLowerCase()
  let found: Node | undefined
  let isExact = false
  for (const { children: [key, value] = [] } of children) {
    const same = key?.value === name
    if (!same && (isExact || String(key?.value).toLowerCase() !== lower)) continue
    found = value
    isExact = same
  }
  return found
}

/** `LINE:COL` of an offset in UTF-16 units. */
export function lineAndColumn(text: string, offset: number): string {
  const before = text.slice(0, offset)
  const line = before.split('\n').length
  const column = Array.from(before.slice(before.lastIndexOf('\n') + 1)).length + 1
  return `${line}:${column}`
}
