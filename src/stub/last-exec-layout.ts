/** Where things lie in the data segment of the last-exec stub; shared by its code and its builder. */

import { DATA_BASE } from './elf.ts'

/** Descriptor for records. */
export const REPORT_FD: number = DATA_BASE
/** Two words: address of the row, negative error number. */
export const RECORD: number = DATA_BASE + 8
/** Two `struct iovec`: prefix of the error line, then the line's rest. */
export const ERROR_LINE: number = DATA_BASE + 24
/** `struct sigaction` that ignores a signal. */
export const IGNORE_ACTION: number = DATA_BASE + 56
/** Room for the `struct sigaction` that was in force. */
export const SAVED_ACTION: number = DATA_BASE + 88
/** Address of the error texts: one line per error number from 1 on. */
export const ERROR_TEXTS: number = DATA_BASE + 120
/** The first row. */
export const ROWS: number = DATA_BASE + 128

/** Words of a row: nr, six arguments, address for the result or 0, mode. */
export const ROW_WORDS = 9
export const ROW_SIZE: number = ROW_WORDS * 8
/** The last error number with a text; the line behind it is for all others. */
export const LAST_ERROR = 133

/** Modes as the code knows them. */
export const MODE = {
  ignore: 0,
  fatal: 1,
  warn: 2,
  final: 3,
  'fatal-or-zero': 4,
  fork: 5,
} as const
