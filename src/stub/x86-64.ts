/**
 * Machine code of x86-64 for instructions.ts. All operands are 64 bits wide unless said.
 *
 * @see Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2
 */

import type { Condition, Instruction, MemoryInstruction, Register } from './instructions.ts'

/** Register numbers, by the system call convention of syscall(2). */
const NUMBER: Record<Register, number> = {
  nr: 0, // rax
  result: 0,
  a0: 7, // rdi
  a1: 6, // rsi
  a2: 2, // rdx
  a3: 10,
  a4: 8,
  a5: 9,
  t0: 1, // rcx
  t1: 11,
  v0: 3, // rbx
  v1: 5, // rbp
  v2: 12,
  v3: 13,
  v4: 14,
  v5: 15,
}
const RSP = 4

/** The low four bits of Jcc. */
const CONDITION: Record<Condition, number> = {
  equal: 0x4,
  'not-equal': 0x5,
  less: 0xc,
  below: 0x2,
  'above-equal': 0x3,
}

function int32(value: number): number[] {
  return [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255]
}

function isInt8(value: number): boolean {
  return value >= -128 && value <= 127
}

/** REX.W prefix for the two registers of a ModRM byte. */
function rex(reg: number, rm: number): number {
  return 0x48 | ((reg >> 3) << 2) | (rm >> 3)
}

/** An operation between two registers: REX.W, opcode, ModRM. */
function registers(opcode: number, reg: number, rm: number): number[] {
  return [rex(reg, rm), opcode, 0xc0 | ((reg & 7) << 3) | (rm & 7)]
}

/** An operation of group 1 (`extension`: 0 add, 4 and, 7 cmp) with a sign-extended constant. */
function immediate(extension: number, rm: number, value: number): number[] {
  return isInt8(value)
    ? [...registers(0x83, extension, rm), value & 255]
    : [...registers(0x81, extension, rm), ...int32(value)]
}

const MEMORY_OPCODE = {
  load: [0x8b],
  store: [0x89],
  'load-byte': [0x0f, 0xb6],
  'store-byte': [0x88],
} as const

function memory(instruction: MemoryInstruction): number[] {
  const { op, offset } = instruction
  const reg = NUMBER[instruction.register]
  const base = NUMBER[instruction.base]
  const isNear = isInt8(offset)
  const modRM = (isNear ? 0x40 : 0x80) | ((reg & 7) << 3) | (base & 7)
  // rsp and r12 as a base can only be said with a SIB byte
  const sib = (base & 7) === RSP ? [0x24] : []
  const displacement = isNear ? [offset & 255] : int32(offset)
  return [rex(reg, base), ...MEMORY_OPCODE[op], modRM, ...sib, ...displacement]
}

function constant(to: number, value: number): number[] {
  if (value >= 0 && value <= 0xffffffff) {
    const prefix = to >= 8 ? [0x41] : []
    if (value === 0) return [...(to >= 8 ? [0x45] : []), 0x31, 0xc0 | ((to & 7) * 9)]
    return [...prefix, 0xb8 | (to & 7), ...int32(value)]
  }
  if (value >= -0x80000000 && value < 0) {
    return [rex(0, to), 0xc7, 0xc0 | (to & 7), ...int32(value)]
  }
  throw new RangeError(`constant out of range: ${value}`)
}

/** A jump, in its short form where `here` and `target` are near. */
function jump(short: number, long: number[], here: number, target: number): number[] {
  const near = target - (here + 2)
  if (isInt8(near)) return [short, near & 255]
  return [...long, ...int32(target - (here + long.length + 4))]
}

/**
 * The bytes of one instruction.
 *
 * @param here - the instruction's own address
 * @param addressOf - addresses of labels
 */
export function encodeX8664(
  instruction: Instruction,
  here: number,
  addressOf: (label: string) => number,
): number[] {
  switch (instruction.op) {
    case 'constant':
      return constant(NUMBER[instruction.to], instruction.value)
    case 'address':
      return constant(NUMBER[instruction.to], addressOf(instruction.label))
    case 'branch': {
      const code = CONDITION[instruction.condition]
      return jump(0x70 | code, [0x0f, 0x80 | code], here, addressOf(instruction.label))
    }
    case 'jump':
      return jump(0xeb, [0xe9], here, addressOf(instruction.label))
    case 'call':
      return [0xe8, ...int32(addressOf(instruction.label) - (here + 5))]
    case 'return':
      return [0xc3]
    case 'system-call':
      return [0x0f, 0x05]
    case 'trap':
      return [0x0f, 0x0b]
    case 'load':
    case 'store':
    case 'load-byte':
    case 'store-byte':
      return memory(instruction)
    case 'label':
      return []
    case 'data':
      return [...instruction.bytes]
    default:
      return encodeArithmetic(instruction)
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

function encodeArithmetic(instruction: Arithmetic): number[] {
  switch (instruction.op) {
    case 'move':
      return registers(0x89, NUMBER[instruction.from], NUMBER[instruction.to])
    case 'get-stack-pointer':
      return registers(0x89, RSP, NUMBER[instruction.to])
    case 'set-stack-pointer':
      return registers(0x89, NUMBER[instruction.from], RSP)
    case 'add':
      return immediate(0, NUMBER[instruction.to], instruction.value)
    case 'add-register':
      return registers(0x01, NUMBER[instruction.from], NUMBER[instruction.to])
    case 'subtract-register':
      return registers(0x29, NUMBER[instruction.from], NUMBER[instruction.to])
    case 'and':
      return immediate(4, NUMBER[instruction.to], instruction.mask)
    case 'shift-left':
      return [...registers(0xc1, 4, NUMBER[instruction.to]), instruction.by]
    case 'rotate-left':
      return [...registers(0xc1, 0, NUMBER[instruction.to]), instruction.by]
    case 'compare':
      return immediate(7, NUMBER[instruction.left], instruction.value)
    case 'compare-registers':
      return registers(0x39, NUMBER[instruction.right], NUMBER[instruction.left])
  }
}
