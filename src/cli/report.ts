/** What the user and the programs that drive tsrun are told: log records, and the final error. */
import {
  messageOf,
  SpecError,
  StepError,
  SyscallError,
  syscallErrorOf,
  UsageError,
} from '../base/errors.ts'
import type { Fields, Level, Log } from '../base/log.ts'
import type { Command } from '../commands/define.ts'
import { escapeControls } from './go-syntax.ts'
import { type Format, jsonRecord, type LogRecord, terminalRecord, textRecord } from './record.ts'

/** Where records go. */
export interface Destination {
  readonly format: Format
  readonly debug: boolean
  /** Appends one line. */
  write(line: string): void
  /** Asked once, before the first text record. */
  isTerminal(): boolean
  /** When the process started, in ms since 1970. */
  readonly started: number
  /** Default of the `func` member of debug output: the command. */
  readonly func: string
}

/** A log that writes to `destination`. Debug records are dropped unless it wants them. */
export function createLog(destination: Destination): Log {
  const { format, debug, started } = destination
  let terminal: boolean | undefined
  const emit = (level: Level, message: string, fields: Fields = {}) => {
    const { func = destination.func, ...others } = fields
    const record: LogRecord = {
      time: new Date(),
      level,
      message,
      fields: others,
      ...(debug && { func: String(func) }),
    }
    if (format === 'json') return destination.write(jsonRecord(record))
    terminal ??= destination.isTerminal()
    destination.write(terminal ? terminalRecord(record, started) : textRecord(record))
  }
  return {
    debugEnabled: debug,
    debug: (message, fields) => {
      if (debug) emit('debug', message, fields)
    },
    info: (message, fields) => emit('info', message, fields),
    warning: (message, fields) => emit('warning', message, fields),
    error: (message, fields) => emit('error', message, fields),
  }
}

/** `--log-format` as typed; empty means text. @throws {Error} any other word */
export function logFormat(typed: string): Format {
  if (typed === '' || typed === 'text') return 'text'
  if (typed === 'json') return 'json'
  throw new Error(`invalid log-format: ${typed}`)
}

/** An error and its causes, outermost first. */
function* chain(thrown: unknown): Generator<Error> {
  for (let e = thrown; e instanceof Error; e = e.cause) yield e
}

/** `config.json:41:7`, if anything in the chain of causes knows it. */
function positionOf(thrown: unknown): string | undefined {
  for (const error of chain(thrown)) {
    if ('position' in error && typeof error.position === 'string') return error.position
  }
  return undefined
}

/** The sentence about an error: prefix, its message, which is whole, and where in config.json. */
export function errorText(thrown: unknown, prefix?: string): string {
  let text = messageOf(thrown)
  const position = positionOf(thrown)
  if (position !== undefined && !text.includes(position)) text += ` (${position})`
  return prefix === undefined ? text : `${prefix}: ${text}`
}

/** The machine-readable side of an error, for JSON records. */
export function errorFields(thrown: unknown): Fields {
  const fields: Record<string, string> = {}
  for (const error of chain(thrown)) {
    if (error instanceof StepError) {
      fields.step ??= error.step
      if (error.pointer !== undefined) fields.config ??= error.pointer
    } else if (error instanceof SpecError) {
      fields.config ??= error.pointer
    }
  }
  const position = positionOf(thrown)
  if (position !== undefined) fields.position = position
  const failed = syscallErrorOf(thrown)
  if (failed instanceof SyscallError) {
    fields.syscall = failed.syscall
    fields.errno = failed.code
  }
  return fields
}

export interface FinalError {
  readonly log: Log
  readonly format: Format
  /** Set if records go to a file: then stderr gets the bare text too. */
  readonly stderr?: (text: string) => void
  /** The command that failed, if it came that far. */
  readonly command?: Pick<Command, 'errorPrefix' | 'errorExitCode'>
}

/**
 * Reports what ended a command: exactly one record of level error, the last one written.
 *
 * @returns the exit code
 */
export function reportError(thrown: unknown, to: FinalError): number {
  const usage = thrown instanceof UsageError
  const text = errorText(thrown, usage ? undefined : to.command?.errorPrefix)
  if (thrown instanceof Error && thrown.stack !== undefined) to.log.debug(thrown.stack)
  to.log.error(text, to.format === 'json' ? errorFields(thrown) : {})
  to.stderr?.(`${escapeControls(text, '\n\t')}\n`)
  return usage ? thrown.exitCode : (to.command?.errorExitCode ?? 1)
}
