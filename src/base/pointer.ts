/** A name as a segment of a JSON pointer. @see RFC 6901 */
export function segment(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}
