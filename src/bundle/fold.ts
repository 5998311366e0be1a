import { KINDS, type Kinds } from '../../spec/generated/keys.ts'

/** Kinds without names below them: 0 any value, 1 and 2 a 64-bit integer; see spec/keys.ts. */
const LAST_LEAF = 2

/**
 * Gives the names in a parsed document, in place, the spelling of the specification: as in Go's
 * encoding/json an exact match wins, else case does not matter. The names of free-form maps stay.
 * A known property that is `null` is removed: to runc, too, it is absent.
 *
 * @param kind - index into the table of spec/generated/keys.ts
 * @returns true if a 64-bit field holds a number that a double may have rounded
 */
export function fold(value: unknown, kind: number): boolean {
  const kinds = KINDS[kind]
  if (kind <= LAST_LEAF || kinds === undefined) return kind > 0 && isRounded(value)
  if (!Array.isArray(value)) return foldObject(value, kinds)
  let rounded = false
  for (const element of value) if (foldObject(element, kinds)) rounded = true
  return rounded
}

function foldObject(object: unknown, kinds: Kinds): boolean {
  if (!isRecord(object)) return false
  const values = kinds['*']
  let rounded = false
  let unknown: string[] | undefined
  for (const name in object) {
    const kind = values ?? kinds[name]
    if (kind === undefined) {
      unknown ??= []
      unknown.push(name)
      continue
    }
    const value = object[name]
    if (value === null && values === undefined) delete object[name]
    else if (kind > 0 && fold(value, kind)) rounded = true
  }
  if (unknown !== undefined && respell(object, kinds, unknown)) rounded = true
  return rounded
}

function respell(object: Record<string, unknown>, kinds: Kinds, names: readonly string[]): boolean {
  const respelt = new Set<string>()
  for (const given of names) {
    const name = knownName(given, kinds)
    if (name === undefined || (Object.hasOwn(object, name) && !respelt.has(name))) continue
    const value = object[given]
    delete object[given]
    if (value === null) continue
    object[name] = value
    respelt.add(name)
  }
  let rounded = false
  for (const name of respelt) if (fold(object[name], kinds[name] ?? 0)) rounded = true
  return rounded
}

function isRounded(value: unknown): boolean {
  return typeof value === 'number' && !Number.isSafeInteger(value)
}

/** The property of a kind of object that `given` stands for, without regard to case. */
export function knownName(given: string, kinds: Kinds): string | undefined {
  if (kinds[given] !== undefined) return given
  const lower = given.toLowerCase()
  for (const name in kinds) if (name.toLowerCase() === lower) return name
  return undefined
}

/** True of a JSON object: neither null nor an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
