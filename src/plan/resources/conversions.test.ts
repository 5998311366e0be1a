import t from 'tap'
import { SpecError } from '../../base/errors.ts'
import {
  cpuMaxOf,
  cpuWeightOf,
  ioWeightOf,
  memoryMaxOf,
  memorySwapOf,
  pidsMaxOf,
} from './conversions.ts'

const LARGEST = 9_223_372_036_854_775_807n

t.test('cpuWeightOf() goes through the defaults and the ends of both ranges', async (t) => {
  t.equal(cpuWeightOf(undefined), undefined)
  t.equal(cpuWeightOf(0), undefined)
  t.equal(cpuWeightOf(1), 1)
  t.equal(cpuWeightOf(2), 1)
  t.equal(cpuWeightOf(3), 2)
  t.equal(cpuWeightOf(512), 59)
  t.equal(cpuWeightOf(1023), 100)
  t.equal(cpuWeightOf(1024), 100)
  t.equal(cpuWeightOf(1025), 101)
  t.equal(cpuWeightOf(2048), 174)
  t.equal(cpuWeightOf(262_143), 10_000)
  t.equal(cpuWeightOf(262_144), 10_000)
  t.equal(cpuWeightOf(18_446_744_073_709_551_615n), 10_000)
})

t.test('cpuWeightOf() never falls', async (t) => {
  let last = 1
  for (let shares = 2; shares <= 262_144; shares += 7) {
    const weight = cpuWeightOf(shares) ?? 0
    if (weight < last) t.fail(`${shares} gives ${weight} after ${last}`)
    last = weight
  }
  t.ok(last > 9990)
})

t.test('cpuMaxOf() fills in what is missing', async (t) => {
  t.equal(cpuMaxOf(undefined, undefined), undefined)
  t.equal(cpuMaxOf(0, 0), undefined)
  t.equal(cpuMaxOf(50_000, 200_000), '50000 200000')
  t.equal(cpuMaxOf(50_000, undefined), '50000 100000')
  t.equal(cpuMaxOf(undefined, 1_000_000), 'max 1000000')
  t.equal(cpuMaxOf(-1, 50_000), 'max 50000')
  t.equal(cpuMaxOf(LARGEST, 0), `${LARGEST} 100000`)
})

t.test('memoryMaxOf() keeps every byte', async (t) => {
  t.equal(memoryMaxOf(undefined), undefined)
  t.equal(memoryMaxOf(0), undefined)
  t.equal(memoryMaxOf(-1), 'max')
  t.equal(memoryMaxOf(-1n), 'max')
  t.equal(memoryMaxOf(-2), '-2')
  t.equal(memoryMaxOf(LARGEST), `${LARGEST}`)
})

t.test('memorySwapOf() is what swap adds to memory', async (t) => {
  t.equal(memorySwapOf({}), undefined)
  t.equal(memorySwapOf({ limit: 100 }), undefined)
  t.equal(memorySwapOf({ limit: 100, swap: 0 }), undefined)
  t.equal(memorySwapOf({ limit: -1 }), 'max')
  t.equal(memorySwapOf({ swap: -1 }), 'max')
  t.equal(memorySwapOf({ limit: 100, swap: -1 }), 'max')
  t.equal(memorySwapOf({ limit: -1, swap: 300 }), '300')
  t.equal(memorySwapOf({ limit: 100, swap: 100 }), '0')
  t.equal(memorySwapOf({ limit: 100, swap: 300n }), '200')
  t.equal(memorySwapOf({ limit: LARGEST - 1n, swap: LARGEST }), '1')
})

t.test('memorySwapOf() refuses what has no meaning', async (t) => {
  for (const [memory, message, pointer] of [
    [{ swap: 100 }, 'unable to set swap limit without memory limit', '/m/swap'],
    [{ limit: 0, swap: 100 }, 'unable to set swap limit without memory limit', '/m/swap'],
    [{ limit: 200, swap: 100 }, 'memory+swap limit should be >= memory limit', '/m/swap'],
    [{ limit: 200, swap: -2 }, 'memory+swap limit should be >= memory limit', '/m/swap'],
    [{ limit: -2, swap: 100 }, 'invalid memory limit -2', '/m/limit'],
  ] as const) {
    t.throws(() => memorySwapOf(memory, '/m'), new SpecError(message, pointer))
  }
})

t.test('pidsMaxOf(): 0 is a limit, and there is none of 0', async (t) => {
  t.equal(pidsMaxOf(undefined), undefined)
  t.equal(pidsMaxOf(0), '1')
  t.equal(pidsMaxOf(1), '1')
  t.equal(pidsMaxOf(12_345), '12345')
  t.equal(pidsMaxOf(-1), 'max')
  t.equal(pidsMaxOf(-5n), 'max')
})

t.test('ioWeightOf() maps the ranges to each other', async (t) => {
  t.equal(ioWeightOf(10), 1)
  t.equal(ioWeightOf(11), 11)
  t.equal(ioWeightOf(500), 4950)
  t.equal(ioWeightOf(750), 7475)
  t.equal(ioWeightOf(1000), 10_000)
  t.ok(ioWeightOf(9) < 1)
  t.ok(ioWeightOf(1001) > 10_000)
})
