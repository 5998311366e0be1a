/** Programs for a container that make system calls, and nothing else: static, without a C library. */
import { writeFileSync } from 'node:fs'
import { writeElf } from '../stub/elf.ts'
import { buildLastExec } from '../stub/last-exec.ts'
import type { Arg, Row } from '../stub/program.ts'
import { NR } from '../sys/numbers.ts'

const MACHINE = process.arch === 'arm64' ? 'aarch64' : 'x86-64'
const STDERR = 2

/** A system call by its number on this machine. */
export interface Call {
  readonly nr: number
  readonly args?: readonly Arg[]
}

/**
 * Writes a program that makes `calls` one after the other. It exits with 0 if all succeed; the first
 * that fails is an error message on its standard error, `call: operation not permitted`, and 255.
 */
export function writeCalls(path: string, ...calls: readonly Call[]): void {
  const rows: Row[] = calls.map(({ nr, args = [] }) => ({ nr, args, mode: 'final' }))
  rows.push({ nr: NR.exit_group, args: [0], mode: 'final' })
  const program = { rows, reportFd: STDERR, execFailurePrefix: 'call: ' }
  writeFileSync(path, buildLastExec(MACHINE, program), { mode: 0o755 })
}

/** getpid of i386 by `int 0x80`, then the result's sign as the exit status of x86-64. */
const I386_GETPID = [
  [0xb8, 0x14, 0, 0, 0], // mov eax, 20
  [0xcd, 0x80], // int 0x80
  [0x31, 0xff], // xor edi, edi
  [0x85, 0xc0], // test eax, eax
  [0x40, 0x0f, 0x9e, 0xc7], // setle dil
  [0xb8, 0xe7, 0, 0, 0], // mov eax, 231
  [0x0f, 0x05], // syscall
]

/** Writes a program for x86-64 that makes a system call of i386; it exits with 0 if that succeeds. */
export function writeI386Call(path: string): void {
  writeFileSync(path, writeElf('x86-64', Uint8Array.from(I386_GETPID.flat()), false), {
    mode: 0o755,
  })
}
