/**
 * The one place that knows koffi. It binds libc's `syscall` and, at the start, nothing else: every
 * system call goes through `S`, arguments are numbers, strings and structures lie in one arena whose
 * address is fixed for the life of the process (also after clone).
 */

import { NR } from './numbers.ts'

interface Koffi {
  load(path: string | null): {
    func(name: string, result: string, parameters: string[]): LibraryFunction
  }
  address(buffer: Uint8Array): bigint | number
  errno(): number
}

/** Integers and addresses in, an integer out. */
type LibraryFunction = (...parameters: number[]) => number | bigint

/** No mount: the launcher had not the rights to make one. */
const NO_MOUNT = 'ffffffffffffffff'
const mount = process.env.TSRUN_MOUNT ?? NO_MOUNT

/**
 * koffi.node: beside the engine, through the launcher's read-only mount of that directory if there
 * is one, so that it cannot be written through /proc/PID/map_files; in node_modules on Node.
 */
function addonPath(): string {
  if (mount !== NO_MOUNT) return `/proc/self/fd/${Number.parseInt(mount, 16)}/koffi.node`
  const lib = process.env.TSRUN_LIB
  if (lib !== undefined) return `${lib}/koffi.node`
  const packages = `${import.meta.dirname}/../../node_modules/@koromix`
  return `${packages}/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`
}

const addon = { exports: {} as Koffi }
process.dlopen(addon, addonPath())
const koffi = addon.exports
const syscall = koffi.load(null).func('syscall', 'int64_t', integers(7))

function integers(count: number): string[] {
  return Array.from({ length: count }, () => 'int64_t')
}

/** Scratch memory for strings and structures; big, so that its storage never moves. */
export const arena: Buffer = Buffer.alloc(1 << 18)
/** The arena as numbers, for structures. */
export const view: DataView = new DataView(arena.buffer, arena.byteOffset, arena.byteLength)
/** Address of the arena's first byte. */
export const base: number = Number(koffi.address(arena))

/**
 * Makes the system call `nr`. Integers only; addresses come from `sys/memory.ts`.
 *
 * @returns what the kernel returned: a value, or the negative error number
 * @see syscall(2)
 */
export function S(nr: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
  const result = syscall(nr, a, b, c, d, e, f)
  if (result === -1) return -koffi.errno()
  return typeof result === 'number' ? result : Number(result)
}

/** Where `bytes` lie; they must be held as long as the address is used. */
export function addressOf(bytes: Uint8Array): number {
  return Number(koffi.address(bytes))
}

/** Functions of a library, by name. */
export type LibraryFunctions<Name extends string> = Readonly<
  Record<Name, (...parameters: number[]) => number>
>

/**
 * Loads a shared library and finds functions in it that are not variadic, and take integers and
 * addresses. Costs about a millisecond; never for use in a container's root.
 *
 * @param library - as dlopen(3) takes it, `libsystemd.so.0`; null for what is loaded already
 * @param functions - how many parameters each has
 * @param result - what each returns: an `int`, or an address
 * @throws {Error} if there is no such library, or no such function in it
 */
export function bind<Name extends string>(
  library: string | null,
  functions: Readonly<Record<Name, number>>,
  result: 'int' | 'int64_t' = 'int',
): LibraryFunctions<Name> {
  const loaded = koffi.load(library)
  const bound = Object.entries<number>(functions).map(([name, count]) => [
    name,
    loaded.func(name, result, integers(count)),
  ])
  return Object.fromEntries(bound)
}

// the mount stays for as long as the addon is mapped; its descriptor has done its work
if (mount !== NO_MOUNT) S(NR.close, Number.parseInt(mount, 16))
