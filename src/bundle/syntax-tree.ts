import { type Node, type ParseError, parseTree } from 'jsonc-parser'

/** The syntax tree of a JSON text; undefined where there is none, or where it is too deep to walk. */
export function parseTreeOf(text: string, errors: ParseError[] = []): Node | undefined {
  try {
    return parseTree(text, errors, { disallowComments: true })
  } catch (thrown) {
    if (thrown instanceof RangeError) return undefined
    throw thrown
  }
}
