/**
 * The beginning of a program: system calls with a number above all those that the rules name do not
 * exist. They are newer than the profile.
 */

/** Opcodes of classic BPF. @see linux/bpf_common.h */
const LOAD_WORD = 0x20
const JUMP = 0x05
const JUMP_IF_EQUAL = 0x15
const JUMP_IF_GREATER = 0x25
const JUMP_IF_SET = 0x45
const RETURN = 0x06

/** Offsets in `struct seccomp_data`. */
const NUMBER = 0
const ARCHITECTURE = 4

const RETURN_ENOSYS = 0x0005_0026
/** Set in the numbers of x32, which has the architecture of x86-64. */
const X32_BIT = 0x4000_0000

const AUDIT_ARCH_X86_64 = 0xc000_003e

type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, k: number]

/** The largest number that the rules name on an architecture. */
export interface LastSyscall {
  /** `AUDIT_ARCH_*`, as in `struct seccomp_data`. */
  readonly architecture: number
  /** Of x32's numbers, which have `X32_BIT`; the others are the architecture's own. */
  readonly isX32: boolean
  readonly number: number
}

/**
 * The instructions to put in front of a program. What they do not decide goes on to it.
 *
 * @param last - each combination of architecture and x32 at most once
 * @returns array of `struct sock_filter`; empty if `last` is
 */
export function enosysPrefix(last: readonly LastSyscall[]): Uint8Array {
  if (last.length === 0) return new Uint8Array(0)
  const architectures = [...new Set(last.map(({ architecture }) => architecture))]
  const sections = architectures.map((architecture) => {
    const numberOf = (isX32: boolean) =>
      last.find((entry) => entry.architecture === architecture && entry.isX32 === isX32)?.number
    return sectionOf(architecture, numberOf(false), numberOf(true))
  })
  const length = sections.reduce((sum, section) => sum + section.length + 1, 1)
  const instructions: Instruction[] = [[LOAD_WORD, 0, 0, ARCHITECTURE]]
  for (const section of sections) {
    instructions.push(...section)
    // to the program's own beginning
    instructions.push([JUMP, 0, 0, length - instructions.length - 1])
  }
  return encode(instructions)
}

/** Expects the architecture in the accumulator; of another one it goes on behind the jump after it. */
function sectionOf(
  architecture: number,
  last: number | undefined,
  lastX32: number | undefined,
): Instruction[] {
  const decision = decisionOf(architecture, last, lastX32)
  return [
    [JUMP_IF_EQUAL, 0, decision.length + 2, architecture],
    [LOAD_WORD, 0, 0, NUMBER],
    ...decision,
  ]
}

/** Returns ENOSYS, or goes on behind itself. */
function decisionOf(
  architecture: number,
  last: number | undefined,
  lastX32: number | undefined,
): Instruction[] {
  if (last !== undefined && lastX32 !== undefined) {
    return [
      [JUMP_IF_SET, 1, 0, X32_BIT],
      [JUMP_IF_GREATER, 1, 2, last],
      [JUMP_IF_GREATER, 0, 1, lastX32],
      [RETURN, 0, 0, RETURN_ENOSYS],
    ]
  }
  const above: Instruction[] = [
    [JUMP_IF_GREATER, 0, 1, last ?? lastX32 ?? 0],
    [RETURN, 0, 0, RETURN_ENOSYS],
  ]
  if (architecture !== AUDIT_ARCH_X86_64) return above
  // the numbers of the other kind go on
  const others: Instruction =
    last === undefined ? [JUMP_IF_SET, 0, 2, X32_BIT] : [JUMP_IF_SET, 2, 0, X32_BIT]
  return [others, ...above]
}

function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * 8)
  const view = new DataView(bytes.buffer)
  for (const [i, [code, jumpTrue, jumpFalse, k]] of instructions.entries()) {
    view.setUint16(i * 8, code, true)
    view.setUint8(i * 8 + 2, jumpTrue)
    view.setUint8(i * 8 + 3, jumpFalse)
    view.setUint32(i * 8 + 4, k, true)
  }
  return bytes
}
