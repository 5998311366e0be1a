/** Length of each unit in ns. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

const NS_PER_MS = 1e6
const LONGEST_NS = 2 ** 63
const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gu

/**
 * The length of time that Go writes as `300ms`, `-1.5h` or `1m30s`: a sign, then numbers each with
 * its unit; `0` alone needs none.
 *
 * @returns milliseconds with a fraction; undefined if it is not of that form, or above 2^63 ns
 * @see https://pkg.go.dev/time#ParseDuration
 */
export function parseDuration(text: string): number | undefined {
  const unsigned = text.replace(/^[+-]/, '')
  if (unsigned === '0') return 0
  if (unsigned === '' || unsigned.replaceAll(PART, '') !== '') return undefined
  let ns = 0
  for (const [, number = '', unit = ''] of unsigned.matchAll(PART)) {
    ns += Number(number) * (UNITS[unit] ?? 0)
  }
  if (ns >= LONGEST_NS) return undefined
  return (text.startsWith('-') ? -ns : ns) / NS_PER_MS
}
