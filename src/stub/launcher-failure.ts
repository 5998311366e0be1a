/** The launcher's error message, and the subroutines that put strings together. */

import {
  add,
  address,
  branchIf,
  call,
  constant,
  type Instruction,
  jump,
  label,
  loadByte,
  move,
  RETURN,
  storeByte,
  systemCall,
  TRAP,
} from './instructions.ts'
import { type Calls, frame, MESSAGE } from './launcher-frame.ts'

const FAILURE_STATUS = 127
const DIGIT_ZERO = 48
const AFTER_DIGIT_NINE = 58
/** From behind `9` to `a`. */
const TO_LETTERS = 39

/** Writes v3 (what failed), v2 (a name or nothing), v4 (negative error number) in one line. */
export function failure(calls: Calls): Instruction[] {
  return [
    label('fail'),
    ...frame('a0', MESSAGE),
    move('a1', 'v3'),
    call('append'),
    move('a1', 'v2'),
    call('append'),
    address('a1', 'colon and blank'),
    call('append'),
    constant('t0', 0),
    { op: 'subtract-register', to: 't0', from: 'v4' },
    move('v4', 't0'),
    ...findErrorText(),
    label('end line'),
    address('a1', 'newline'),
    call('append'),
    move('a2', 'a0'),
    ...frame('a1', MESSAGE),
    { op: 'subtract-register', to: 'a2', from: 'a1' },
    constant('a0', 2),
    ...systemCall(calls.write),
    constant('a0', FAILURE_STATUS),
    ...systemCall(calls.exitGroup),
    TRAP,
  ]
}

/** Appends the text of error v4 at a0: from the table, or `errno` and at least two digits. */
function findErrorText(): Instruction[] {
  return [
    address('a1', 'error texts'),
    label('next error'),
    loadByte('t0', 'a1'),
    add('a1', 1),
    ...branchIf('t0', 'equal', 0, 'unknown error'),
    ...branchIf('t0', 'equal', 'v4', 'known error'),
    label('find end of error'),
    loadByte('t0', 'a1'),
    add('a1', 1),
    ...branchIf('t0', 'not-equal', 0, 'find end of error'),
    jump('next error'),
    label('unknown error'),
    address('a1', 'errno'),
    call('append'),
    ...branchIf('v4', 'below', 100, 'tens'),
    ...digit(100),
    label('tens'),
    ...digit(10),
    ...digit(1),
    jump('end line'),
    label('known error'),
    call('append'),
  ]
}

/** Appends how often v4 holds `unit`, as a digit, and takes that away. */
function digit(unit: number): Instruction[] {
  return [
    constant('t1', DIGIT_ZERO),
    label(`count ${unit}`),
    ...branchIf('v4', 'below', unit, `digit ${unit}`),
    add('v4', -unit),
    add('t1', 1),
    jump(`count ${unit}`),
    label(`digit ${unit}`),
    storeByte('t1', 'a0'),
    add('a0', 1),
  ]
}

/**
 * `append` copies the string at a1 to a0, `append hexadecimal` writes v1 there as 16 digits. Both
 * end it by NUL and leave a0 on that.
 */
export function subroutines(): Instruction[] {
  return [
    label('append'),
    loadByte('t0', 'a1'),
    storeByte('t0', 'a0'),
    ...branchIf('t0', 'equal', 0, 'end of append'),
    add('a0', 1),
    add('a1', 1),
    jump('append'),
    label('end of append'),
    RETURN,
    label('append hexadecimal'),
    constant('t1', 16),
    label('next digit'),
    { op: 'rotate-left', to: 'v1', by: 4 },
    move('t0', 'v1'),
    { op: 'and', to: 't0', mask: 15 },
    add('t0', DIGIT_ZERO),
    ...branchIf('t0', 'below', AFTER_DIGIT_NINE, 'store digit'),
    add('t0', TO_LETTERS),
    label('store digit'),
    storeByte('t0', 'a0'),
    add('a0', 1),
    add('t1', -1),
    ...branchIf('t1', 'not-equal', 0, 'next digit'),
    storeByte('t1', 'a0'),
    RETURN,
  ]
}
