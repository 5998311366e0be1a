/** The forms that the text of cgroup files has. @see the kernel's admin-guide/cgroup-v2 "Format" */

/** What the kernel writes as `max`, and Go as the largest uint64. */
export const UNLIMITED: bigint = 2n ** 64n - 1n

/**
 * An unsigned 64-bit number, or `max`. The kernel's own sums may be below zero for a moment: 0.
 *
 * @throws {Error} for anything else
 */
export function parseUnsigned(text: string): bigint {
  const word = text.trim()
  if (word === 'max') return UNLIMITED
  if (!/^-?\d+$/.test(word)) throw new Error(`${JSON.stringify(word)} is not a number`)
  const value = BigInt(word)
  if (value > UNLIMITED) throw new Error(`${word} is out of range`)
  return value < 0n ? 0n : value
}

/** A signed number. @throws {Error} */
export function parseSigned(text: string): bigint {
  const word = text.trim()
  if (!/^-?\d+$/.test(word)) throw new Error(`${JSON.stringify(word)} is not a number`)
  return BigInt(word)
}

/** Lines of a name and a number: `nr_periods 17`. @throws {Error} */
export function parseKeyed(text: string): Map<string, bigint> {
  return new Map(
    linesOf(text).map((line) => {
      const [name = '', value = '', ...more] = line.split(' ')
      if (more.length > 0) throw new Error(`${JSON.stringify(line)} is not a name and a number`)
      return [name, parseUnsigned(value)]
    }),
  )
}

/** Numbers between blanks. @throws {Error} */
export function parseNumbers(text: string): bigint[] {
  return wordsOf(text).map(parseUnsigned)
}

/** Above any number of CPUs or memory nodes of Linux. */
const LAST_ID = 0xffff

/** A list of ids with ranges, `0-2,7`; an empty one is possible. @throws {Error} @see cpuset(7) */
export function parseIds(text: string): number[] {
  const list = text.trim()
  if (list === '') return []
  return list.split(',').flatMap((part) => {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? []
    const [from, to] = [Number(first), Number(last)]
    // NaN fails this, too
    if (!(from <= to && to <= LAST_ID)) throw new Error(`${JSON.stringify(part)} is not a range`)
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })
}

/** The lines that are not empty. */
export function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}

/** What is between blanks. */
export function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}

/** `T` with every member optional, and there when it is. */
export type NonZero<T> = { [K in keyof T]?: NonNullable<T[K]> }

/** Without the members that are 0, empty or undefined; the others in their order. */
export function withoutZeros<T extends object>(object: T): NonZero<T> {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => !isZero(value)),
  ) as NonZero<T>
}

function isZero(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  return value === undefined || value === 0n || value === ''
}

/** Undefined instead of an object that has nothing but zeros. */
export function unlessZero<T extends object>(object: T): T | undefined {
  return Object.values(object).every(isZero) ? undefined : object
}
