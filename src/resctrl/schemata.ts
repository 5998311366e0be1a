/** The text of `schemata` files: `L3:0=fffff;1=fffff`, one resource a line. */

/** Value by domain, `0`: `fffff`; as the kernel would show it but for leading zeros. */
export type Domains = ReadonlyMap<string, string>

/** Resources whose values are decimal numbers that the kernel rounds up to a step. */
const BANDWIDTH = ['MB', 'SMBA']

/**
 * Parses a `schemata` file, or lines for one. Blanks that align columns do not count.
 *
 * @returns by resource
 */
export function parseSchemata(text: string): Map<string, Domains> {
  const resources = new Map<string, Domains>()
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon < 0) continue
    const domains = new Map(resources.get(line.slice(0, colon).trim()))
    for (const entry of line.slice(colon + 1).split(';')) {
      const [domain = '', value = ''] = entry.split('=', 2)
      if (value !== '') domains.set(domain.trim(), normal(value))
    }
    resources.set(line.slice(0, colon).trim(), domains)
  }
  return resources
}

function normal(value: string): string {
  return value
    .trim()
    .toLowerCase()
    .replace(/^(0x)?0*(?=.)/, '')
}

/** Back to the form that is written, without a newline. */
export function formatLine(resource: string, domains: Domains): string {
  return `${resource}:${[...domains].map(([domain, value]) => `${domain}=${value}`).join(';')}`
}

/**
 * True if writing `line` would change nothing in a class whose `schemata` are `current`. Domains
 * that the line does not name may have any value, as writing it would leave them alone.
 *
 * @param bandwidthStep - bandwidth_gran of the kernel, to which it rounds bandwidths up
 */
export function agrees(
  line: string,
  current: ReadonlyMap<string, Domains>,
  bandwidthStep: number,
): boolean {
  const wanted = parseSchemata(line)
  // what is no line of schemata is for the kernel to refuse, not to be taken for agreement
  if (wanted.size === 0) return false
  for (const [resource, domains] of wanted) {
    const existing = current.get(resource)
    if (existing === undefined || domains.size === 0) return false
    for (const [domain, value] of domains) {
      const found = existing.get(domain)
      if (found === value) continue
      if (!BANDWIDTH.includes(resource) || found !== rounded(value, bandwidthStep)) return false
    }
  }
  return true
}

function rounded(value: string, step: number): string {
  return String(Math.ceil(Number(value) / step) * step)
}
