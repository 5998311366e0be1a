/**
 * Reads a list of CPU or node numbers such as `0-3,7`; blanks around numbers are ignored.
 *
 * @param limit - numbers must be below it
 * @returns the distinct numbers, ascending; an empty text means none
 * @throws {Error} saying what cannot be read
 * @see cpuset(7), List format
 */
export function parseIdList(text: string, limit: number): number[] {
  const ids = new Set<number>()
  if (text.trim() === '') return []
  for (const part of text.split(',')) {
    const [first = NaN, last = first, ...more] = part.split('-').map(numberOf)
    if (Number.isNaN(first) || Number.isNaN(last) || more.length > 0) {
      throw new Error(`${JSON.stringify(part)} is not a number or a range`)
    }
    if (last < first) throw new Error(`range ${part.trim()} is backwards`)
    if (last >= limit) throw new Error(`${last} is too large, allowed: less than ${limit}`)
    for (let id = first; id <= last; id++) ids.add(id)
  }
  return [...ids].sort((a, b) => a - b)
}

function numberOf(text: string): number {
  const digits = text.trim()
  return /^\d+$/.test(digits) ? Number(digits) : NaN
}
