/** A 64-bit number beyond 2^53 as text that no string of ours is. */
const MARK = '\u0000u64:'

/**
 * JSON text of `value`; a bigint is written as a number, digit for digit.
 *
 * @param indent - as in JSON.stringify
 */
export function toJson(value: unknown, indent?: number | string): string {
  let marked = false
  const text = JSON.stringify(
    value,
    (_, member: unknown) => {
      if (typeof member !== 'bigint') return member
      marked = true
      return `${MARK}${member}`
    },
    indent,
  )
  return marked ? text.replace(/"\\u0000u64:(-?\d+)"/g, '$1') : text
}
