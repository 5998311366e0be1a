/** The classic BPF of seccomp filters, interpreted: to know what a program says before it is loaded. */
import { RET } from '../plan/seccomp.ts'

/** What a filter looks at: `struct seccomp_data`. */
export interface SeccompData {
  readonly nr: number
  /** `AUDIT_ARCH_*`. */
  readonly arch: number
  /** At most six; missing ones are 0. */
  readonly args?: readonly (number | bigint)[]
}

const SIZE = 64

function encode({ nr, arch, args = [] }: SeccompData): DataView {
  const view = new DataView(new ArrayBuffer(SIZE))
  view.setUint32(0, nr >>> 0, true)
  view.setUint32(4, arch, true)
  args.forEach((value, i) => {
    view.setBigUint64(16 + 8 * i, BigInt.asUintN(64, BigInt(value)), true)
  })
  return view
}

/** Of conditional jumps: the code without the bit for "compare with X". */
const JUMPS: Readonly<Record<number, (a: number, k: number) => boolean>> = {
  21: (a, k) => a === k,
  37: (a, k) => a > k,
  53: (a, k) => a >= k,
  69: (a, k) => (a & k) !== 0,
}

/**
 * Runs a program as the kernel would.
 *
 * @param program - array of `struct sock_filter`
 * @returns `SECCOMP_RET_*` with its data
 * @throws {Error} for an instruction that libseccomp has no use for, or a jump out of the program
 */
export function runFilter(program: Uint8Array, data: SeccompData): number {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength)
  const input = encode(data)
  let accumulator = 0
  for (let at = 0; ; at += 8) {
    const opcode = code.getUint16(at, true)
    const k = code.getUint32(at + 4, true)
    const jump = JUMPS[opcode]
    if (jump !== undefined) at += 8 * code.getUint8(at + (jump(accumulator, k) ? 2 : 3))
    else if (opcode === 0x05) at += 8 * k
    else if (opcode === 0x06) return k
    else if (opcode === 0x20) accumulator = input.getUint32(k, true)
    else if (opcode === 0x54) accumulator = (accumulator & k) >>> 0
    else throw new Error(`instruction ${at / 8}: code 0x${opcode.toString(16)}`)
  }
}

/** `AUDIT_ARCH_*` of this machine. */
const NATIVE = process.arch === 'arm64' ? 0xc000_00b7 : 0xc000_003e
/** `SECCOMP_RET_ACTION_FULL` */
const ACTION = 0xffff_0000

/**
 * Tells whether a system call of this machine gets past a filter as if there were none.
 *
 * @param args - what is not known, as an address, is 0
 */
export function letsThrough(
  program: Uint8Array,
  nr: number,
  args: readonly (number | bigint)[],
): boolean {
  const action = (runFilter(program, { nr, arch: NATIVE, args }) & ACTION) >>> 0
  return action === RET.ALLOW || action === RET.LOG
}
