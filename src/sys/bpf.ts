import { check, failure } from './check.ts'
import { E } from './errno.ts'
import { Fd } from './fd.ts'
import { addressOf, S } from './ffi.ts'
import { alloc, arena, at, put64, str, text, view } from './memory.ts'
import { NR } from './numbers.ts'

/** Commands of bpf(2). */
const CMD = {
  PROG_LOAD: 5,
  PROG_ATTACH: 8,
  PROG_DETACH: 9,
  PROG_GET_FD_BY_ID: 13,
  OBJ_GET_INFO_BY_FD: 15,
  PROG_QUERY: 16,
} as const

/** `BPF_PROG_TYPE_*`. */
export const PROGRAM_TYPE = { CGROUP_DEVICE: 15 } as const
/** Where in a cgroup a program is attached: `enum bpf_attach_type`. */
export const ATTACH_TYPE = { CGROUP_DEVICE: 6 } as const

const BPF_F_ALLOW_MULTI = 2
const BPF_F_REPLACE = 4

/** Size of the largest attribute structure used here, those of other commands are shorter. */
const ATTRIBUTES_SIZE = 72
const NAME_LENGTH = 16
const LICENSE = 'Apache-2.0'
const LOG_SIZE = 1 << 16
const INSTRUCTION_SIZE = 8

/** A program to load. */
export interface Program {
  /** `PROGRAM_TYPE`. */
  readonly type: number
  /** At most 15 letters, digits, `_` and `.`. */
  readonly name: string
  /** Array of `struct bpf_insn`, 8 bytes each, in the machine's byte order. */
  readonly instructions: Uint8Array
}

function bpf(command: number, attributes: number): number {
  return S(NR.bpf, command, at(attributes), ATTRIBUTES_SIZE)
}

/**
 * Loads a program into the kernel, which keeps it as long as the descriptor is open or it is
 * attached.
 *
 * @returns a new descriptor, the caller's to close
 * @throws {SyscallError} EPERM without CAP_BPF or CAP_SYS_ADMIN in the initial user namespace
 * @throws {Error} with the verifier's words, its cause the SyscallError, for a program it refuses
 * @see bpf(2) BPF_PROG_LOAD
 */
export function loadProgram(program: Program): Fd {
  let number = tryLoad(program)
  // before Linux 5.11 programs count as locked memory, of which there may be too little
  if (number === -E.PERM) number = withLockedMemory(() => tryLoad(program))
  if (number === -E.ACCES || number === -E.INVAL) throw refusal(program, number)
  check('bpf', `BPF_PROG_LOAD ${program.name}`, number)
  return new Fd(number, `bpf program ${program.name}`)
}

function tryLoad({ type, name, instructions }: Program, log?: Uint8Array): number {
  const license = str(LICENSE)
  const attributes = alloc(ATTRIBUTES_SIZE)
  view.setUint32(attributes, type, true)
  view.setUint32(attributes + 4, instructions.length / INSTRUCTION_SIZE, true)
  put64(attributes + 8, addressOf(instructions))
  put64(attributes + 16, license)
  if (log !== undefined) {
    view.setUint32(attributes + 24, 1, true)
    view.setUint32(attributes + 28, log.length, true)
    put64(attributes + 32, addressOf(log))
  }
  arena.write(name.slice(0, NAME_LENGTH - 1), attributes + 48, 'latin1')
  return bpf(CMD.PROG_LOAD, attributes)
}

/** The error for a program that the verifier refuses: the end of its log says why. */
function refusal(program: Program, result: number): Error {
  const cause = failure('bpf', `BPF_PROG_LOAD ${program.name}`, result)
  const log = Buffer.alloc(LOG_SIZE)
  tryLoad(program, log)
  const end = Math.max(log.indexOf(0), 0)
  const lines = log.toString('latin1', 0, end).split('\n')
  const words = lines.filter((line) => line.trim() !== '' && !line.startsWith('processed '))
  const last = words.slice(-2).join('; ')
  return last === '' ? cause : new Error(`${cause.message}: ${last}`, { cause })
}

const RLIMIT_MEMLOCK = 8

function withLockedMemory(action: () => number): number {
  const [former, unlimited] = [alloc(16), alloc(16)]
  put64(unlimited, -1)
  put64(unlimited + 8, -1)
  const raised = S(NR.prlimit64, 0, RLIMIT_MEMLOCK, at(unlimited), at(former)) === 0
  try {
    return action()
  } finally {
    if (raised) S(NR.prlimit64, 0, RLIMIT_MEMLOCK, at(former), 0)
  }
}

/**
 * Attaches a program to a cgroup, together with what others have attached or will attach.
 *
 * @param cgroup - a cgroup v2 directory
 * @param type - `ATTACH_TYPE`
 * @param replaced - the attached program whose place it takes, in one step (Linux 5.6)
 * @throws {SyscallError} EINVAL where the kernel knows no replacing, ENOENT if `replaced` is not
 *   attached, EPERM if an ancestor has a program that allows no others
 * @see bpf(2) BPF_PROG_ATTACH
 */
export function attachProgram(cgroup: Fd, program: Fd, type: number, replaced?: Fd): void {
  const attributes = alloc(ATTRIBUTES_SIZE)
  view.setInt32(attributes, cgroup.number, true)
  view.setInt32(attributes + 4, program.number, true)
  view.setUint32(attributes + 8, type, true)
  view.setUint32(attributes + 12, BPF_F_ALLOW_MULTI | (replaced ? BPF_F_REPLACE : 0), true)
  if (replaced !== undefined) view.setInt32(attributes + 16, replaced.number, true)
  check('bpf', `BPF_PROG_ATTACH to ${cgroup.label}`, bpf(CMD.PROG_ATTACH, attributes))
}

/** Detaches a program from a cgroup. @throws {SyscallError} ENOENT @see bpf(2) BPF_PROG_DETACH */
export function detachProgram(cgroup: Fd, program: Fd, type: number): void {
  const attributes = alloc(ATTRIBUTES_SIZE)
  view.setInt32(attributes, cgroup.number, true)
  view.setInt32(attributes + 4, program.number, true)
  view.setUint32(attributes + 8, type, true)
  check('bpf', `BPF_PROG_DETACH from ${cgroup.label}`, bpf(CMD.PROG_DETACH, attributes))
}

/** More programs on one cgroup the kernel does not take. @see linux/bpf-cgroup.h */
const MOST_PROGRAMS = 64

/**
 * The ids of the programs attached to a cgroup itself, in the order in which they run.
 *
 * @param type - `ATTACH_TYPE`
 * @see bpf(2) BPF_PROG_QUERY (Linux 4.15)
 */
export function attachedPrograms(cgroup: Fd, type: number): number[] {
  const ids = alloc(MOST_PROGRAMS * 4)
  const attributes = alloc(ATTRIBUTES_SIZE)
  view.setInt32(attributes, cgroup.number, true)
  view.setUint32(attributes + 4, type, true)
  put64(attributes + 16, at(ids))
  view.setUint32(attributes + 24, MOST_PROGRAMS, true)
  check('bpf', `BPF_PROG_QUERY of ${cgroup.label}`, bpf(CMD.PROG_QUERY, attributes))
  const count = view.getUint32(attributes + 24, true)
  return Array.from({ length: count }, (_, i) => view.getUint32(ids + 4 * i, true))
}

/**
 * Opens a loaded program by its id.
 *
 * @returns a new descriptor, the caller's to close; undefined if there is no such program any more
 * @see bpf(2) BPF_PROG_GET_FD_BY_ID
 */
export function openProgram(id: number): Fd | undefined {
  const attributes = alloc(ATTRIBUTES_SIZE)
  view.setUint32(attributes, id, true)
  const number = bpf(CMD.PROG_GET_FD_BY_ID, attributes)
  if (number === -E.NOENT) return undefined
  return new Fd(check('bpf', `BPF_PROG_GET_FD_BY_ID ${id}`, number), `bpf program ${id}`)
}

/** Up to and with the name in `struct bpf_prog_info`. */
const INFO_SIZE = 80
const INFO_NAME = 64

/** The name that a program was loaded with. @see bpf(2) BPF_OBJ_GET_INFO_BY_FD */
export function programName(program: Fd): string {
  const info = alloc(INFO_SIZE)
  const attributes = alloc(ATTRIBUTES_SIZE)
  view.setInt32(attributes, program.number, true)
  view.setUint32(attributes + 4, INFO_SIZE, true)
  put64(attributes + 8, at(info))
  check('bpf', `BPF_OBJ_GET_INFO_BY_FD ${program.label}`, bpf(CMD.OBJ_GET_INFO_BY_FD, attributes))
  const name = text(info + INFO_NAME, NAME_LENGTH)
  const end = name.indexOf('\0')
  return end < 0 ? name : name.slice(0, end)
}
