/** Sizes on a command line: `--memory 512m`. */

const UNITS = 'kmgtp'
const LARGEST = 2n ** 63n - 1n
/** Decimal places that are told apart: more than the largest unit has bits. */
const PLACES = 60

/**
 * Bytes in words: a number, then maybe a unit of 1024 (k, m, g, t, p, in either case), which may
 * end in `b` or `ib`, or `b` for bytes; one space may be between the two. Part of a byte is dropped.
 * `-1` stands for no limit.
 *
 * @example parseSize('1.5g') === 1610612736
 * @returns a bigint beyond 2^53
 * @throws {Error} `invalid size: 'x'` or `invalid suffix: 'xb'`
 */
export function parseSize(text: string): number | bigint {
  if (text === '-1') return -1
  const [, whole = '', fraction = '', word = ''] =
    /^\+?(\d*)(?:\.(\d*))? ?([A-Za-z]*)$/.exec(text) ?? []
  if (whole === '' && fraction === '') throw new Error(`invalid size: '${text}'`)
  const bytes = scaled(whole, fraction.slice(0, PLACES), unitOf(word))
  if (bytes > LARGEST) throw new Error(`invalid size: '${text}'`)
  return bytes <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(bytes) : bytes
}

/** Without rounding: WHOLE.FRACTION times `unit`. */
function scaled(whole: string, fraction: string, unit: bigint): bigint {
  return (BigInt(`0${whole}${fraction}`) * unit) / 10n ** BigInt(fraction.length)
}

function unitOf(word: string): bigint {
  const suffix = word.toLowerCase()
  if (suffix === '' || suffix === 'b') return 1n
  const power = UNITS.indexOf(suffix.charAt(0)) + 1
  if (power === 0 || !/^.(i?b)?$/.test(suffix)) throw new Error(`invalid suffix: '${suffix}'`)
  return 1024n ** BigInt(power)
}
