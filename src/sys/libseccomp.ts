/**
 * libseccomp: from rules to a program for the kernel. It is loaded when a filter is compiled, and
 * by nothing else; it starts no thread.
 *
 * @see seccomp_init(3), seccomp_rule_add(3)
 */
import { messageOf } from '../base/errors.ts'
import { check, failure } from './check.ts'
import { E } from './errno.ts'
import { Fd } from './fd.ts'
import { bind, type LibraryFunctions, S } from './ffi.ts'
import { readBytes } from './file.ts'
import { libraryPath } from './library-path.ts'
import { alloc, at, put64, str, view } from './memory.ts'
import { NR } from './numbers.ts'

const LIBRARY = 'libseccomp.so.2'

const FUNCTIONS = {
  seccomp_api_get: 0,
  seccomp_arch_add: 2,
  seccomp_arch_native: 0,
  seccomp_arch_resolve_name: 1,
  seccomp_attr_set: 3,
  seccomp_export_bpf: 2,
  seccomp_release: 1,
  seccomp_rule_add_array: 5,
  seccomp_syscall_resolve_name: 1,
  seccomp_syscall_resolve_name_arch: 2,
} as const
const WITH_ADDRESS = { seccomp_init: 1, seccomp_version: 0 } as const
const C = { memcpy: 3 } as const

type Library = LibraryFunctions<keyof typeof FUNCTIONS | keyof typeof WITH_ADDRESS | keyof typeof C>

let loaded: Library | undefined

function library(): Library {
  if (loaded === undefined) {
    try {
      const path = libraryPath(LIBRARY) ?? LIBRARY
      loaded = {
        ...bind(path, FUNCTIONS),
        ...bind(path, WITH_ADDRESS, 'int64_t'),
        ...bind(null, C),
      }
    } catch (cause) {
      const message = `cannot use seccomp without ${LIBRARY}: ${messageOf(cause)}`
      throw new Error(message, { cause })
    }
  }
  return loaded
}

/** The version in use, `2.5.4`. @throws {Error} if the library is not there @see seccomp_version(3) */
export function libseccompVersion(): string {
  const { seccomp_version, memcpy } = library()
  const version = alloc(16)
  memcpy(at(version), seccomp_version(), 12)
  return [0, 4, 8].map((offset) => view.getUint32(version + offset, true)).join('.')
}

/** What library and kernel can do together, as one number. @see seccomp_api_get(3) */
export function libseccompApiLevel(): number {
  return library().seccomp_api_get()
}

/** The token of the architecture that tsrun runs on. */
export function nativeArchitecture(): number {
  return library().seccomp_arch_native() >>> 0
}

/**
 * The token of an architecture; undefined if the library does not know it.
 *
 * @param name - in lower case: `x86_64`
 * @see seccomp_arch_resolve_name(3)
 */
export function architectureToken(name: string): number | undefined {
  const token = library().seccomp_arch_resolve_name(str(name)) >>> 0
  return token === 0 ? undefined : token
}

/** What the functions return for a name that they do not know. */
const UNKNOWN = -1

/**
 * The number of a system call on the machine itself; negative, but of use in rules, for one that
 * only other architectures have. Undefined: no architecture has it.
 *
 * @see seccomp_syscall_resolve_name(3)
 */
export function resolveSyscall(name: string): number | undefined {
  const number = library().seccomp_syscall_resolve_name(str(name))
  return number === UNKNOWN ? undefined : number
}

/** The number of a system call on an architecture; undefined or negative if it does not have it. */
export function resolveSyscallOn(token: number, name: string): number | undefined {
  const number = library().seccomp_syscall_resolve_name_arch(token, str(name))
  return number === UNKNOWN ? undefined : number
}

/** `enum scmp_compare`. */
export const COMPARE = {
  NE: 1,
  LT: 2,
  LE: 3,
  EQ: 4,
  GE: 5,
  GT: 6,
  MASKED_EQ: 7,
} as const

/** One comparison of an argument: `struct scmp_arg_cmp`. */
export interface ArgumentComparison {
  readonly index: number
  readonly op: keyof typeof COMPARE
  readonly a: number | bigint
  readonly b: number | bigint
}

const COMPARISON_SIZE = 24
const MFD_CLOEXEC = 1
/** `enum scmp_filter_attr`. */
const CTL_OPTIMIZE = 8
const BINARY_TREE = 2
/** BPF_MAXINSNS instructions of 8 bytes. */
const LARGEST_PROGRAM = 4096 * 8

/** A filter in the making: `scmp_filter_ctx`. For the native architecture, until others are added. */
export class SeccompFilter implements Disposable {
  readonly #context: number

  /**
   * @param defaultAction - `SECCOMP_RET_*`, with its data
   * @throws {Error} if the library, or the kernel, does not know the action
   */
  constructor(defaultAction: number) {
    this.#context = library().seccomp_init(defaultAction)
    if (this.#context === 0) throw new Error(`libseccomp refuses the default action`)
  }

  /** @throws {SyscallError} EDOM for one with another byte order than those that are there */
  addArchitecture(token: number): void {
    const result = library().seccomp_arch_add(this.#context, token)
    if (result !== -E.EXIST) check('seccomp_arch_add', '', result)
  }

  /**
   * Sorts the program as a tree, which is longer, but which the kernel walks, and loads, faster.
   *
   * @returns false if the library has no such way (before 2.5)
   */
  optimize(): boolean {
    return library().seccomp_attr_set(this.#context, CTL_OPTIMIZE, BINARY_TREE) === 0
  }

  /**
   * @param number - as of `resolveSyscall`
   * @param comparisons - all have to hold; none: always
   * @throws {SyscallError} EINVAL for two comparisons of one argument; EEXIST for a rule that is there
   */
  addRule(action: number, number: number, comparisons: readonly ArgumentComparison[]): void {
    const array = alloc(Math.max(1, comparisons.length) * COMPARISON_SIZE)
    comparisons.forEach(({ index, op, a, b }, i) => {
      const offset = array + i * COMPARISON_SIZE
      view.setUint32(offset, index, true)
      view.setUint32(offset + 4, COMPARE[op], true)
      put64(offset + 8, a)
      put64(offset + 16, b)
    })
    const result = library().seccomp_rule_add_array(
      this.#context,
      action,
      number,
      comparisons.length,
      at(array),
    )
    check('seccomp_rule_add_array', '', result)
  }

  /** The program: `struct sock_filter`, 8 bytes each, in the machine's byte order. */
  export(): Uint8Array {
    const number = S(NR.memfd_create, str('seccomp'), MFD_CLOEXEC)
    using file = new Fd(check('memfd_create', 'seccomp', number), 'seccomp filter')
    check('seccomp_export_bpf', '', library().seccomp_export_bpf(this.#context, file.number))
    check('lseek', file.label, S(NR.lseek, file.number, 0, 0))
    const program = readBytes(file, LARGEST_PROGRAM + 1)
    if (program.length > LARGEST_PROGRAM) throw failure('seccomp_export_bpf', '', -E.FBIG)
    return program
  }

  [Symbol.dispose](): void {
    library().seccomp_release(this.#context)
  }
}
