/** From a list of instructions to machine code with all labels resolved. */

import { encodeAarch64 } from './aarch64.ts'
import type { Instruction, Machine } from './instructions.ts'
import { encodeX8664 } from './x86-64.ts'

/** Machine code and where its labels came to lie. */
export interface Assembled {
  readonly code: Uint8Array
  readonly labels: ReadonlyMap<string, number>
}

const ENCODERS = { 'x86-64': encodeX8664, aarch64: encodeAarch64 } as const

/**
 * Encodes `program` for `machine`, to be loaded at `base`.
 *
 * @param base - address of the first instruction; below 2^32
 * @throws {RangeError} an unknown label, or a constant that the machine cannot hold
 */
export function assemble(
  machine: Machine,
  program: readonly Instruction[],
  base: number,
): Assembled {
  const encode = ENCODERS[machine]
  // Far away at first, so that each jump begins in its long form; code then only gets shorter.
  let labels = new Map<string, number>()
  for (const instruction of program) {
    if (instruction.op === 'label') labels.set(instruction.name, base + 0x10000)
  }
  const addressOf = (name: string): number => {
    const found = labels.get(name)
    if (found === undefined) throw new RangeError(`unknown label: ${name}`)
    return found
  }
  for (;;) {
    const code: number[] = []
    const placed = new Map<string, number>()
    for (const instruction of program) {
      if (instruction.op === 'label') placed.set(instruction.name, base + code.length)
      else code.push(...encode(instruction, base + code.length, addressOf))
    }
    const isStable = [...placed].every(([name, place]) => labels.get(name) === place)
    if (isStable) return { code: Uint8Array.from(code), labels: placed }
    labels = placed
  }
}
