import { check } from './check.ts'
import { S } from './ffi.ts'
import { arena, at, room } from './memory.ts'
import { NR } from './numbers.ts'

/** Bytes of a CPU set: more CPUs no kernel is built for. */
export const CPU_SET_BYTES = 1024

/** A cpu_set_t of these CPUs; numbers that no kernel has do not count. */
export function cpuSet(cpus: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(CPU_SET_BYTES)
  for (const cpu of cpus) bytes[cpu >> 3] = (bytes[cpu >> 3] ?? 0) | (1 << (cpu & 7))
  return bytes
}

/** The CPUs that this process may run on, as a cpu_set_t. @see sched_getaffinity(2) */
export function affinity(): Uint8Array {
  const set = room(CPU_SET_BYTES)
  const length = check('sched_getaffinity', '', S(NR.sched_getaffinity, 0, CPU_SET_BYTES, at(set)))
  return Uint8Array.from(arena.subarray(set, set + length))
}

/** Binds this process to CPUs. @throws {SyscallError} EINVAL if its cpuset has none of them @see sched_setaffinity(2) */
export function setAffinity(set: Uint8Array, words: string): void {
  const bytes = room(set.length)
  arena.set(set, bytes)
  check('sched_setaffinity', words, S(NR.sched_setaffinity, 0, set.length, at(bytes)))
}

/** Sets how process `pid` is scheduled. @param attributes - struct sched_attr @see sched_setattr(2) */
export function setScheduling(pid: number, attributes: Uint8Array): void {
  const bytes = room(attributes.length)
  arena.set(attributes, bytes)
  check('sched_setattr', '', S(NR.sched_setattr, pid, at(bytes), 0))
}
