/**
 * The instruction set in which the launcher and the last-exec stub are written once; x86-64.ts and
 * aarch64.ts turn each instruction into machine code. A program is a list of these, as data.
 */

/** The processors that the programs are made for. */
export type Machine = 'x86-64' | 'aarch64'

/**
 * 64-bit registers. `a0`-`a5` hold a system call's arguments; they, `t0` and `t1` are lost in a
 * call, `v0`-`v5` survive it. `result` shares its register with `nr` on x86-64 and with `a0` on
 * aarch64: read it right after the call, set `nr` last before it.
 */
export type Register =
  | 'nr'
  | 'result'
  | 'a0'
  | 'a1'
  | 'a2'
  | 'a3'
  | 'a4'
  | 'a5'
  | 't0'
  | 't1'
  | 'v0'
  | 'v1'
  | 'v2'
  | 'v3'
  | 'v4'
  | 'v5'

/** Conditions between two 64-bit values; `below` and `above-equal` take them as unsigned. */
export type Condition = 'equal' | 'not-equal' | 'less' | 'below' | 'above-equal'

/** One instruction. `offset` is in bytes; immediates of `add` and `compare` lie in -4095..4095. */
export type Instruction =
  | { readonly op: 'label'; readonly name: string }
  | { readonly op: 'data'; readonly bytes: Uint8Array }
  | { readonly op: 'constant'; readonly to: Register; readonly value: number }
  | { readonly op: 'address'; readonly to: Register; readonly label: string }
  | { readonly op: 'move'; readonly to: Register; readonly from: Register }
  | { readonly op: 'get-stack-pointer'; readonly to: Register }
  | { readonly op: 'set-stack-pointer'; readonly from: Register }
  | MemoryInstruction
  | { readonly op: 'add'; readonly to: Register; readonly value: number }
  | { readonly op: 'add-register'; readonly to: Register; readonly from: Register }
  | { readonly op: 'subtract-register'; readonly to: Register; readonly from: Register }
  | { readonly op: 'and'; readonly to: Register; readonly mask: 15 | -16 }
  | { readonly op: 'shift-left'; readonly to: Register; readonly by: number }
  | { readonly op: 'rotate-left'; readonly to: Register; readonly by: number }
  | { readonly op: 'compare'; readonly left: Register; readonly value: number }
  | { readonly op: 'compare-registers'; readonly left: Register; readonly right: Register }
  | { readonly op: 'branch'; readonly condition: Condition; readonly label: string }
  | { readonly op: 'jump'; readonly label: string }
  | { readonly op: 'call'; readonly label: string }
  | { readonly op: 'return' }
  | { readonly op: 'system-call' }
  | { readonly op: 'trap' }

/** Between a register and memory at `base + offset`; `offset` 0..255, a multiple of 8 for words. */
export type MemoryInstruction = {
  readonly op: 'load' | 'store' | 'load-byte' | 'store-byte'
  readonly register: Register
  readonly base: Register
  readonly offset: number
}

/** Names the place of the next instruction. */
export function label(name: string): Instruction {
  return { op: 'label', name }
}

/** Bytes as they are; the last ones of a program, since aarch64 wants code at multiples of 4. */
export function data(bytes: Uint8Array): Instruction {
  return { op: 'data', bytes }
}

/** `to` = a signed number of at most 48 bits. */
export function constant(to: Register, value: number): Instruction {
  return { op: 'constant', to, value }
}

/** `to` = the address of a label. */
export function address(to: Register, name: string): Instruction {
  return { op: 'address', to, label: name }
}

/** `to` = `from`. */
export function move(to: Register, from: Register): Instruction {
  return { op: 'move', to, from }
}

/** `to` = the 64-bit word at `base + offset`. */
export function load(to: Register, base: Register, offset = 0): Instruction {
  return { op: 'load', register: to, base, offset }
}

/** The 64-bit word at `base + offset` = `from`. */
export function store(from: Register, base: Register, offset = 0): Instruction {
  return { op: 'store', register: from, base, offset }
}

/** `to` = the byte at `base + offset`, zero-extended. */
export function loadByte(to: Register, base: Register, offset = 0): Instruction {
  return { op: 'load-byte', register: to, base, offset }
}

/** The byte at `base + offset` = the low byte of `from`. */
export function storeByte(from: Register, base: Register, offset = 0): Instruction {
  return { op: 'store-byte', register: from, base, offset }
}

/** `to` += `value`. */
export function add(to: Register, value: number): Instruction {
  return { op: 'add', to, value }
}

/** Goes to `name` if `left` stands in `condition` to `right`. */
export function branchIf(
  left: Register,
  condition: Condition,
  right: Register | number,
  name: string,
): Instruction[] {
  return [
    typeof right === 'number'
      ? { op: 'compare', left, value: right }
      : { op: 'compare-registers', left, right },
    { op: 'branch', condition, label: name },
  ]
}

/** Goes to `name` if `register`, the result of a system call, is a negative error number. */
export function branchIfError(register: Register, name: string): Instruction[] {
  return branchIf(register, 'above-equal', -4095, name)
}

/** Goes to `name`. */
export function jump(name: string): Instruction {
  return { op: 'jump', label: name }
}

/** Calls a subroutine that calls none itself. */
export function call(name: string): Instruction {
  return { op: 'call', label: name }
}

/** Ends a subroutine. */
export const RETURN: Instruction = { op: 'return' }

/** Makes the system call `nr`; its value is in `result` afterwards. */
export function systemCall(nr: number): Instruction[] {
  return [constant('nr', nr), { op: 'system-call' }]
}

/** Ends the process by a signal: for places that are never reached. */
export const TRAP: Instruction = { op: 'trap' }
