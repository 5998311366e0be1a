/** Deterministic random changes to JSON documents, for the differential test. */

/** Numbers from 0 to below 1, the same for the same seed (a 32-bit linear congruential generator). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

type Container = Record<string, unknown>

interface Place {
  readonly holder: Container
  readonly name: string
}

const VALUES: readonly unknown[] = [
  null,
  true,
  '',
  'text',
  'SCMP_ACT_NONE',
  0,
  -1,
  1.5,
  512,
  65_536,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 63,
  -(2 ** 63),
  2 ** 64,
  1e300,
  [],
  {},
  [5],
  ['text'],
  { '': 5 },
  { text: {} },
]

/** A copy of a document with one to three changes. */
export function mutate(document: unknown, random: () => number): unknown {
  const copy: unknown = structuredClone(document)
  const changes = 1 + Math.floor(random() * 3)
  for (let change = 0; change < changes; change++) {
    const places = placesIn(copy)
    const place = pick(places, random)
    if (place !== undefined) changeAt(place, pick(places, random) ?? place, random)
  }
  return copy
}

function changeAt({ holder, name }: Place, other: Place, random: () => number): void {
  const value = holder[name]
  switch (Math.floor(random() * 6)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(name), 1)
      else delete holder[name]
      break
    case 1:
      if (typeof value === 'number') holder[name] = value - 2 ** (8 * Math.ceil(random() * 8))
      else holder[name] = pick(VALUES, random)
      break
    case 2:
      holder[name] = structuredClone(other.holder[other.name])
      break
    case 3:
      if (Array.isArray(holder)) break
      delete holder[name]
      holder[random() < 0.5 ? name.toUpperCase() : name.toLowerCase()] = value
      break
    case 4:
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
        ;(value as Container)[random() < 0.5 ? 'unknown' : ''] = pick(VALUES, random)
      } else if (typeof value === 'string') holder[name] = `${value}\n`
      break
    default:
      holder[name] = pick(VALUES, random)
  }
}

function placesIn(value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return []
  const holder = value as Container
  return Object.keys(holder).flatMap((name) => [{ holder, name }, ...placesIn(holder[name])])
}

function pick<T>(values: readonly T[], random: () => number): T | undefined {
  return values[Math.floor(random() * values.length)]
}
