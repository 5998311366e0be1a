/**
 * Every failure that tsrun reports, as data. Text is composed once, in cli/report.ts; callers
 * branch on `code` and `reason`, never on text.
 */

/** Where in a bundle file something came from: an RFC 6901 JSON pointer, `/mounts/3/source`. */
export type Pointer = string

/** A system call that failed. `message` is `open_tree /srv/x: no such file or directory`. */
export class SyscallError extends Error {
  override readonly name = 'SyscallError'
  /** As in the manual: `open_tree`. */
  readonly syscall: string
  /** Positive error number. */
  readonly errno: number
  /** Symbolic error number: `ENOENT`. */
  readonly code: string
  /** What the call was about: a path, flags in words; never file contents. */
  readonly subject: string

  constructor(syscall: string, subject: string, errno: number, code: string, text: string) {
    super(`${syscall}${subject === '' ? '' : ` ${subject}`}: ${text}`)
    this.syscall = syscall
    this.subject = subject
    this.errno = errno
    this.code = code
  }
}

/** What a bundle's file says cannot be carried out; `pointer` names the place. */
export class SpecError extends Error {
  override readonly name = 'SpecError'
  readonly pointer: Pointer
  /** `config.json:41:7` once the position in the text has been looked up. */
  position: string | undefined

  constructor(message: string, pointer: Pointer, position?: string) {
    super(message)
    this.pointer = pointer
    this.position = position
  }
}

/** Why an operation on a container was refused. */
export type ContainerReason =
  | 'exists'
  | 'not-found'
  | 'invalid-id'
  | 'not-running'
  | 'wrong-status'
  | 'busy'
  | 'corrupt'
  | 'failed'

/** An operation on a container that its state does not allow. Texts are the ones clients match. */
export class ContainerError extends Error {
  override readonly name = 'ContainerError'
  readonly reason: ContainerReason

  constructor(reason: ContainerReason, message: string) {
    super(message)
    this.reason = reason
  }
}

/** A command line that cannot be taken. `help` is the command whose help goes to stdout. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly exitCode: number
  readonly heading: string | undefined
  readonly help: string | undefined

  constructor(
    message: string,
    options: { exitCode?: number; heading?: string; help?: string } = {},
  ) {
    super(message)
    this.exitCode = options.exitCode ?? 1
    this.heading = options.heading
    this.help = options.help
  }
}

/** A step of a plan that failed: which one, what it was for, and the failure itself as `cause`. */
export class StepError extends Error {
  override readonly name = 'StepError'
  readonly step: string
  readonly pointer: Pointer | undefined
  /** As in `SpecError`; looked up when the error leaves the pipeline. */
  position: string | undefined

  constructor(step: string, pointer: Pointer | undefined, message: string, cause: unknown) {
    super(message, { cause })
    this.step = step
    this.pointer = pointer
  }
}

/** The text of anything thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** Runs `action`; a failure's message then begins with what was being done. The cause stays. */
export function during<T>(doing: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    throw new Error(`${doing}: ${messageOf(cause)}`, { cause })
  }
}

/** The system call failure at the bottom of a chain of causes, if there is one. */
export function syscallErrorOf(thrown: unknown): SyscallError | undefined {
  for (let e = thrown; e instanceof Error; e = e.cause) if (e instanceof SyscallError) return e
  return undefined
}
