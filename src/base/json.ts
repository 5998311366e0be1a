/**
 * JSON text of a value in which 64-bit integers are `bigint`: they are written as number literals,
 * with every digit. Otherwise as JSON.stringify without spaces: members in their order, those that
 * are undefined left out.
 */
export function stringifyExact(value: unknown): string {
  if (typeof value === 'bigint') return `${value}`
  if (Array.isArray(value)) return `[${value.map(stringifyExact).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]) => `${JSON.stringify(name)}:${stringifyExact(member)}`)
  return `{${members.join(',')}}`
}
