/**
 * The code of the last-exec stub: it walks the rows of its data segment. Assembled by
 * `generate.ts` into `generated/`, not at run time.
 */

import { assemble } from './assemble.ts'
import { CODE_BASE, headerSize, writeElf } from './elf.ts'
import {
  add,
  branchIf,
  branchIfError,
  constant,
  type Instruction,
  jump,
  label,
  load,
  loadByte,
  type Machine,
  move,
  store,
  systemCall,
  TRAP,
} from './instructions.ts'
import {
  ERROR_LINE,
  ERROR_TEXTS,
  IGNORE_ACTION,
  LAST_ERROR,
  MODE,
  RECORD,
  REPORT_FD,
  ROW_SIZE,
  ROWS,
  SAVED_ACTION,
} from './last-exec-layout.ts'

/** System call numbers. */
const CALLS = {
  'x86-64': { write: 1, writev: 20, exitGroup: 231, rtSigaction: 13 },
  aarch64: { write: 64, writev: 66, exitGroup: 94, rtSigaction: 134 },
} as const

type Calls = (typeof CALLS)[Machine]

const SIGPIPE = 13
const FAILURE_STATUS = 255
const NEWLINE = 10

/** v0: address of the row. v1: result. v2: mode. */
function walkRows(): Instruction[] {
  return [
    constant('v0', ROWS),
    label('row'),
    load('nr', 'v0'),
    ...branchIf('nr', 'less', 0, 'exit'),
    load('a0', 'v0', 8),
    load('a1', 'v0', 16),
    load('a2', 'v0', 24),
    load('a3', 'v0', 32),
    load('a4', 'v0', 40),
    load('a5', 'v0', 48),
    { op: 'system-call' },
    move('v1', 'result'),
    load('v2', 'v0', 64),
    ...branchIfError('v1', 'failed'),
    load('t0', 'v0', 56),
    ...branchIf('t0', 'equal', 0, 'not stored'),
    store('v1', 't0'),
    label('not stored'),
    ...branchIf('v2', 'equal', MODE.fork, 'forked'),
    ...branchIf('v2', 'not-equal', MODE['fatal-or-zero'], 'next'),
    ...branchIf('v1', 'equal', 0, 'report'),
    label('next'),
    add('v0', ROW_SIZE),
    jump('row'),
    label('forked'),
    ...branchIf('v1', 'equal', 0, 'next'),
    jump('report'),
    label('failed'),
    ...branchIf('v2', 'equal', MODE.ignore, 'next'),
  ]
}

/**
 * The reader of a report may be gone: SIGPIPE is ignored during the write, or the exit status
 * would be lost.
 */
function ignoreBrokenPipe(calls: Calls): Instruction[] {
  return [
    constant('a0', SIGPIPE),
    constant('a1', IGNORE_ACTION),
    constant('a2', SAVED_ACTION),
    constant('a3', 8),
    ...systemCall(calls.rtSigaction),
  ]
}

function report(calls: Calls): Instruction[] {
  return [
    label('report'),
    ...ignoreBrokenPipe(calls),
    ...branchIf('v2', 'equal', MODE.final, 'print'),
    constant('a1', RECORD),
    store('v0', 'a1', 0),
    store('v1', 'a1', 8),
    constant('t0', REPORT_FD),
    load('a0', 't0'),
    constant('a2', 16),
    ...systemCall(calls.write),
    ...branchIf('v2', 'not-equal', MODE.warn, 'exit'),
    constant('a0', SIGPIPE),
    constant('a1', SAVED_ACTION),
    constant('a2', 0),
    constant('a3', 8),
    ...systemCall(calls.rtSigaction),
    jump('next'),
  ]
}

/** Finds the line of error -v1 and writes prefix and line at once. */
function print(calls: Calls): Instruction[] {
  return [
    label('print'),
    constant('t0', ERROR_TEXTS),
    load('a0', 't0'),
    ...branchIf('v1', 'above-equal', -LAST_ERROR, 'find line'),
    constant('v1', -LAST_ERROR - 1),
    label('find line'),
    move('a1', 'a0'),
    label('find end'),
    loadByte('t0', 'a0'),
    add('a0', 1),
    ...branchIf('t0', 'not-equal', NEWLINE, 'find end'),
    add('v1', 1),
    ...branchIf('v1', 'not-equal', 0, 'find line'),
    { op: 'subtract-register', to: 'a0', from: 'a1' },
    move('a2', 'a0'),
    move('t0', 'a1'),
    constant('a1', ERROR_LINE),
    store('t0', 'a1', 16),
    store('a2', 'a1', 24),
    constant('a0', 2),
    constant('a2', 2),
    ...systemCall(calls.writev),
    label('exit'),
    constant('a0', FAILURE_STATUS),
    label('exit group'),
    ...systemCall(calls.exitGroup),
    // a seccomp filter may refuse even that
    TRAP,
    label('handler'),
    add('a0', 128),
    jump('exit group'),
  ]
}

/** The stub's code page and the address of its signal handler, for `machine`. */
export function assembleLastExec(machine: Machine): { page: Uint8Array; handler: number } {
  const calls = CALLS[machine]
  const program = [...walkRows(), ...report(calls), ...print(calls)]
  const { code, labels } = assemble(machine, program, CODE_BASE + headerSize(true))
  return { page: writeElf(machine, code, true), handler: labels.get('handler') ?? 0 }
}
