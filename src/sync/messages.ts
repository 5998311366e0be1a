/**
 * What the container's first process tells tsrun while it is set up, over a socket that keeps
 * message boundaries:
 *
 *     child (JavaScript)        {"kind":"error",...}      it has failed, and exits
 *     child (JavaScript)        {"kind":"spans",...}      with --debug: how long its steps took
 *     child (JavaScript)        "hooks now"               tsrun is to run its hooks, and to answer
 *     child (last-exec stub)    16 bytes                  a row of its table has failed
 *     child (last-exec stub)    "loaded"                  its filter has a listener, which tsrun can take
 *     child (last-exec stub)    "ready"                   it waits on the fifo
 *     end of file               it has executed the container's program, or is dead
 *     tsrun                     "taken"                   it has that listener, and the agent has
 *     tsrun                     "recorded"                state.json names it, its cgroups hold it
 *
 * Errors cross as data: the system call, its subject and error number arrive as they were thrown.
 */
import { messageOf, StepError, SyscallError, syscallErrorOf } from '../base/errors.ts'
import { decodeRecord } from '../stub/last-exec.ts'
import { isErrno } from '../sys/check.ts'
import { E, errnoName, errnoText } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { receive, send } from '../sys/socket.ts'

interface ErrorMessage {
  readonly kind: 'error'
  readonly step: string
  readonly pointer: string | undefined
  readonly message: string
  readonly syscall?: { readonly name: string; readonly subject: string; readonly errno: number }
}

/** What was done, and the ms that it took. */
export type Span = readonly [name: string, ms: number]

interface SpansMessage {
  readonly kind: 'spans'
  readonly spans: readonly Span[]
}

export type Message =
  | SpansMessage
  | { readonly kind: 'error'; readonly error: StepError }
  | { readonly kind: 'row'; readonly row: number; readonly errno: number }
  | { readonly kind: 'loaded' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'hooks' }
  | { readonly kind: 'closed' }

/** Told apart from all others by its length, as the next one is. */
export const LOADED = 'loaded'
export const READY = 'ready'
const TAKEN = 'taken'
/** Bytes that hold the answer to `LOADED`. */
export const TAKEN_SIZE = 8
const RECORDED = 'recorded'
/** As long as no other message. */
const HOOKS = 'hooks now'
const HOOKS_DONE = 'hooks done'
const RECORD_SIZE = 16
/** A text of twice the length is cut in the middle: what failed comes first, and why last. */
const HALF_TEXT = 2 * 1024

function shorten(text: string): string {
  if (text.length <= 2 * HALF_TEXT) return text
  return `${text.slice(0, HALF_TEXT)}[...]${text.slice(-HALF_TEXT)}`
}

/**
 * Tells the other side that `step` failed. Nothing is thrown: there is nobody else to tell.
 *
 * @returns false if the other side is gone
 */
export function sendError(
  sync: Fd,
  step: string,
  pointer: string | undefined,
  thrown: unknown,
): boolean {
  const failed = syscallErrorOf(thrown)
  const message: ErrorMessage = {
    kind: 'error',
    step,
    pointer,
    message: shorten(messageOf(thrown)),
    ...(failed && {
      syscall: {
        name: failed.syscall,
        subject: shorten(failed.subject),
        errno: failed.errno,
      },
    }),
  }
  try {
    send(sync, Buffer.from(JSON.stringify(message)))
    return true
  } catch {
    return false
  }
}

/** Spans in one message: their names hold a path each, and `shorten` keeps all below the limit. */
const SPANS_AT_ONCE = 8

/** Tells how long the steps took. */
export function sendSpans(sync: Fd, spans: readonly Span[]): void {
  for (let start = 0; start < spans.length; start += SPANS_AT_ONCE) {
    const some = spans.slice(start, start + SPANS_AT_ONCE)
    const message: SpansMessage = {
      kind: 'spans',
      spans: some.map(([name, ms]) => [shorten(name), ms]),
    }
    send(sync, Buffer.from(JSON.stringify(message)))
  }
}

/**
 * Lets the first process go on: if tsrun ends now, it is known, and its cgroups hold it. One that
 * has failed already is no error: it has said why.
 */
export function sendRecorded(sync: Fd): void {
  sendIfThere(sync, RECORDED)
}

function sendIfThere(sync: Fd, text: string): void {
  try {
    send(sync, Buffer.from(text))
  } catch (error) {
    if (!isErrno(error, E.PIPE, E.CONNRESET)) throw error
  }
}

/** Answers `LOADED`. */
export function sendTaken(sync: Fd): void {
  send(sync, Buffer.from(TAKEN))
}

/** Waits for `sendRecorded`. @throws {Error} if the other side ends before */
export function awaitRecorded(sync: Fd): void {
  if (receive(sync).length === 0) throw new Error('tsrun ended before the container was made')
}

/** Asks tsrun to run the hooks of its namespaces, and waits until they have succeeded. */
export function awaitHooks(sync: Fd): void {
  send(sync, Buffer.from(HOOKS))
  if (receive(sync).length === 0) throw new Error('tsrun ended before the hooks')
}

/** Answers `awaitHooks`. A process that was killed meanwhile is missed at the next message. */
export function sendHooksDone(sync: Fd): void {
  sendIfThere(sync, HOOKS_DONE)
}

/** Waits for the next message. */
export function receiveMessage(sync: Fd): Message {
  const bytes = receive(sync)
  if (bytes.length === 0) return { kind: 'closed' }
  if (bytes.length === RECORD_SIZE) return { kind: 'row', ...decodeRecord(bytes) }
  // no other message is that short
  if (bytes.length === READY.length) return { kind: 'ready' }
  if (bytes.length === HOOKS.length) return { kind: 'hooks' }
  if (bytes.length === LOADED.length) return { kind: 'loaded' }
  const message = JSON.parse(new TextDecoder().decode(bytes)) as ErrorMessage | SpansMessage
  return message.kind === 'spans' ? message : { kind: 'error', error: revive(message) }
}

function revive({ step, pointer, message, syscall }: ErrorMessage): StepError {
  const cause =
    syscall &&
    new SyscallError(
      syscall.name,
      syscall.subject,
      syscall.errno,
      errnoName(syscall.errno),
      errnoText(syscall.errno),
    )
  return new StepError(step, pointer, message, cause)
}
