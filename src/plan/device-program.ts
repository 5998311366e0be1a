/**
 * A device policy as a program for the kernel, which runs it for each open and mknod of a device.
 *
 * The program is a list of blocks, one for each entry of the policy, that end it or jump over
 * themselves. A block compares one register with one number: by the way on the verifier then learns
 * nothing, so that its work grows with the number of blocks and not with its square.
 *
 * @see the kernel's linux/bpf.h (struct bpf_cgroup_dev_ctx), bpf-helpers(7)
 */
import { ACCESS, type DeviceEntry, type DevicePolicy } from './device-policy.ts'

/** Opcodes: class, operation and source in one byte; the kernel's standardization/instruction-set. */
const OP = {
  LOAD_IMMEDIATE_64: 0x18,
  LOAD_WORD: 0x61,
  MOVE_32: 0xbc,
  AND_32_IMMEDIATE: 0x54,
  SHIFT_RIGHT_32_IMMEDIATE: 0x74,
  MOVE: 0xbf,
  MOVE_IMMEDIATE: 0xb7,
  SHIFT_LEFT_IMMEDIATE: 0x67,
  OR: 0x4f,
  JUMP_IF_NOT_EQUAL: 0x5d,
  JUMP_IF_NOT_EQUAL_IMMEDIATE: 0x55,
  JUMP_IF_ANY_BIT_IMMEDIATE: 0x45,
  EXIT: 0x95,
} as const

/** Registers and what is in them. */
const RESULT = 0 // 0 forbids, 1 allows
const CONTEXT = 1 // then the number to compare with
const WANTED = 2 // access bits
const TYPE = 3
const MAJOR = 4 // with the type above
const MINOR = 5 // with the type above
const DEVICE = 6 // MAJOR << 32 | MINOR

/** `BPF_DEVCG_DEV_*`. */
const TYPE_NUMBER = { b: 1, c: 2 } as const
/** Where the type begins in a register that also holds a number: above 20 bits, below the sign. */
const TYPE_SHIFT = 24

/** First word of `struct bpf_insn`; the second one is the immediate. */
function word(opcode: number, target: number, source = 0): number {
  return opcode | (target << 8) | (source << 12)
}

const OFFSET_SHIFT = 16
const EXIT: readonly number[] = [word(OP.EXIT, 0), 0]
const ALLOW: readonly number[] = [word(OP.MOVE_IMMEDIATE, RESULT), 1, ...EXIT]

/** Takes the request apart. The context: `access << 16 | type`, major, minor, each 32 bits. */
const PROLOGUE: readonly number[] = [
  ...[word(OP.LOAD_WORD, WANTED, CONTEXT), 0],
  ...[word(OP.LOAD_WORD, MAJOR, CONTEXT) | (4 << OFFSET_SHIFT), 0],
  ...[word(OP.LOAD_WORD, MINOR, CONTEXT) | (8 << OFFSET_SHIFT), 0],
  ...[word(OP.MOVE_32, TYPE, WANTED), 0],
  ...[word(OP.AND_32_IMMEDIATE, TYPE), 0xffff],
  ...[word(OP.SHIFT_RIGHT_32_IMMEDIATE, WANTED), 16],
  ...[word(OP.MOVE, DEVICE, TYPE), 0],
  ...[word(OP.SHIFT_LEFT_IMMEDIATE, DEVICE), TYPE_SHIFT],
  ...[word(OP.OR, MAJOR, DEVICE), 0],
  ...[word(OP.OR, MINOR, DEVICE), 0],
  ...[word(OP.MOVE, DEVICE, MAJOR), 0],
  ...[word(OP.SHIFT_LEFT_IMMEDIATE, DEVICE), 32],
  ...[word(OP.OR, DEVICE, MINOR), 0],
  ...[word(OP.MOVE_IMMEDIATE, RESULT), 0],
]

/**
 * Makes the program of a policy: BPF_PROG_TYPE_CGROUP_DEVICE, no helper is called. At most 6
 * instructions an entry, so that a kernel before 5.2, which takes 4,096, takes 600 entries.
 *
 * @returns an array of `struct bpf_insn`, 8 bytes each, little endian
 */
export function deviceProgram(policy: DevicePolicy): Uint8Array {
  const code = [...PROLOGUE]
  for (const entry of policy) {
    const verdict = verdictOf(entry.access)
    code.push(...unless(entry, verdict.length / 2), ...verdict)
  }
  code.push(...EXIT) // neither a character nor a block device
  // the processors that tsrun runs on are little endian
  return new Uint8Array(Int32Array.from(code).buffer)
}

/** Jumps over `count` instructions if the entry is about other devices. */
function unless({ type, major, minor }: DeviceEntry, count: number): number[] {
  const kind = TYPE_NUMBER[type]
  const jump = OP.JUMP_IF_NOT_EQUAL_IMMEDIATE | (count << OFFSET_SHIFT)
  const high = (kind << TYPE_SHIFT) | major
  const low = (kind << TYPE_SHIFT) | minor
  if (major < 0 && minor < 0) return [word(jump, TYPE), kind]
  if (minor < 0) return [word(jump, MAJOR), high]
  if (major < 0) return [word(jump, MINOR), low]
  return [
    ...[word(OP.LOAD_IMMEDIATE_64, CONTEXT), low, 0, high],
    ...[word(OP.JUMP_IF_NOT_EQUAL, DEVICE, CONTEXT) | (count << OFFSET_SHIFT), 0],
  ]
}

/** Ends the program: allows what wants no more than `access`. */
function verdictOf(access: number): readonly number[] {
  if (access === 0) return EXIT
  if (access === ACCESS.ALL) return ALLOW
  const refuse = word(OP.JUMP_IF_ANY_BIT_IMMEDIATE, WANTED) | (1 << OFFSET_SHIFT)
  return [refuse, ACCESS.ALL & ~access, ...ALLOW]
}
