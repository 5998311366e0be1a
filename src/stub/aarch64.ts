/**
 * Machine code of aarch64 for instructions.ts: 32-bit words, little-endian.
 *
 * @see Arm Architecture Reference Manual for A-profile, "A64 Base Instruction Descriptions"
 */

import type { Condition, Instruction, MemoryInstruction, Register } from './instructions.ts'

/** Register numbers, by the system call convention of syscall(2). */
const NUMBER: Record<Register, number> = {
  nr: 8,
  result: 0,
  a0: 0,
  a1: 1,
  a2: 2,
  a3: 3,
  a4: 4,
  a5: 5,
  t0: 9,
  t1: 10,
  v0: 19,
  v1: 20,
  v2: 21,
  v3: 22,
  v4: 23,
  v5: 24,
}
/** Number 31 is the stack pointer or zero, by instruction. */
const SP = 31
const ZERO = 31

const CONDITION: Record<Condition, number> = {
  equal: 0,
  'not-equal': 1,
  less: 11,
  below: 3,
  'above-equal': 2,
}

/** MOVZ or MOVN, then MOVK for each further 16 bits that differ from the filling. */
function constant(to: number, value: number): number[] {
  if (Math.abs(value) >= 2 ** 47) throw new RangeError(`constant out of range: ${value}`)
  const filling = value < 0 ? 0xffff : 0
  const parts = [0, 1, 2].map((i) => Math.floor(value / 2 ** (16 * i)) & 0xffff)
  const words: number[] = []
  for (const [i, part] of parts.entries()) {
    if (part === filling) continue
    const isFirst = words.length === 0
    const opcode = isFirst ? (value < 0 ? 0x92800000 : 0xd2800000) : 0xf2800000
    const bits = isFirst && value < 0 ? ~part & 0xffff : part
    words.push(opcode | (i << 21) | (bits << 5) | to)
  }
  // all 16-bit parts are filling: 0 or -1
  return words.length > 0 ? words : [(value < 0 ? 0x92800000 : 0xd2800000) | to]
}

/** `base`, or `negative` with the sign turned, and a 12-bit constant. */
function immediate12(base: number, negative: number, value: number): number {
  if (value < -4095 || value > 4095) throw new RangeError(`constant out of range: ${value}`)
  return (value < 0 ? negative : base) | (Math.abs(value) << 10)
}

const MEMORY_OPCODE = {
  load: 0xf9400000,
  store: 0xf9000000,
  'load-byte': 0x39400000,
  'store-byte': 0x39000000,
} as const

function memory({ op, register, base, offset }: MemoryInstruction): number {
  const scale = op === 'load' || op === 'store' ? 8 : 1
  if (offset < 0 || offset % scale !== 0) throw new RangeError(`offset out of range: ${offset}`)
  return MEMORY_OPCODE[op] | ((offset / scale) << 10) | (NUMBER[base] << 5) | NUMBER[register]
}

/** A register operation `opcode` on `left` and `right` into `to`. */
function registers(opcode: number, to: number, left: number, right: number): number {
  return opcode | (right << 16) | (left << 5) | to
}

/** Places the distance to `target`, in words, as a field of `width` bits at bit `shift`. */
function distance(here: number, target: number, width: number, shift: number): number {
  return (((target - here) >> 2) & (2 ** width - 1)) << shift
}

/** ADR: its low two bits of distance stand apart from the others. */
function adr(to: number, bytes: number): number {
  return 0x10000000 | ((bytes & 3) << 29) | (((bytes >> 2) & 0x7ffff) << 5) | to
}

function words(
  instruction: Instruction,
  here: number,
  addressOf: (label: string) => number,
): number[] {
  switch (instruction.op) {
    case 'constant':
      return constant(NUMBER[instruction.to], instruction.value)
    case 'address':
      return [adr(NUMBER[instruction.to], addressOf(instruction.label) - here)]
    case 'branch':
      return [
        0x54000000 |
          distance(here, addressOf(instruction.label), 19, 5) |
          CONDITION[instruction.condition],
      ]
    case 'jump':
      return [0x14000000 | distance(here, addressOf(instruction.label), 26, 0)]
    case 'call':
      return [0x94000000 | distance(here, addressOf(instruction.label), 26, 0)]
    case 'return':
      return [0xd65f03c0]
    case 'system-call':
      return [0xd4000001]
    case 'trap':
      return [0xd4200000] // brk #0
    case 'load':
    case 'store':
    case 'load-byte':
    case 'store-byte':
      return [memory(instruction)]
    case 'label':
    case 'data':
      return []
    default:
      return [arithmetic(instruction)]
  }
}

type Arithmetic = Extract<
  Instruction,
  {
    op:
      | 'move'
      | 'get-stack-pointer'
      | 'set-stack-pointer'
      | 'add'
      | 'add-register'
      | 'subtract-register'
      | 'and'
      | 'shift-left'
      | 'rotate-left'
      | 'compare'
      | 'compare-registers'
  }
>

function arithmetic(instruction: Arithmetic): number {
  switch (instruction.op) {
    case 'move': // orr to, xzr, from
      return registers(0xaa000000, NUMBER[instruction.to], ZERO, NUMBER[instruction.from])
    case 'get-stack-pointer': // add to, sp, #0
      return 0x91000000 | (SP << 5) | NUMBER[instruction.to]
    case 'set-stack-pointer':
      return 0x91000000 | (NUMBER[instruction.from] << 5) | SP
    case 'add': {
      const to = NUMBER[instruction.to]
      return immediate12(0x91000000, 0xd1000000, instruction.value) | (to << 5) | to
    }
    case 'add-register':
    case 'subtract-register': {
      const opcode = instruction.op === 'add-register' ? 0x8b000000 : 0xcb000000
      const to = NUMBER[instruction.to]
      return registers(opcode, to, to, NUMBER[instruction.from])
    }
    case 'and': {
      // immr:imms of a 64-bit field: 4 ones, or 60 ones turned left by 4
      const field = instruction.mask === 15 ? (0 << 16) | (3 << 10) : (60 << 16) | (59 << 10)
      const to = NUMBER[instruction.to]
      return 0x92400000 | field | (to << 5) | to
    }
    case 'shift-left': // ubfm to, to, #(64 - by), #(63 - by)
      return (
        0xd3400000 |
        ((64 - instruction.by) << 16) |
        ((63 - instruction.by) << 10) |
        (NUMBER[instruction.to] << 5) |
        NUMBER[instruction.to]
      )
    case 'rotate-left': {
      // extr to, to, to, #(64 - by)
      const to = NUMBER[instruction.to]
      return registers(0x93c00000, to, to, to) | ((64 - instruction.by) << 10)
    }
    case 'compare':
      return (
        immediate12(0xf1000000, 0xb1000000, instruction.value) |
        (NUMBER[instruction.left] << 5) |
        ZERO
      )
    case 'compare-registers':
      return registers(0xeb000000, ZERO, NUMBER[instruction.left], NUMBER[instruction.right])
  }
}

/**
 * The bytes of one instruction.
 *
 * @param here - the instruction's own address
 * @param addressOf - addresses of labels
 */
export function encodeAarch64(
  instruction: Instruction,
  here: number,
  addressOf: (label: string) => number,
): number[] {
  if (instruction.op === 'data') return [...instruction.bytes]
  return words(instruction, here, addressOf).flatMap((word) => [
    word & 255,
    (word >>> 8) & 255,
    (word >>> 16) & 255,
    word >>> 24,
  ])
}
