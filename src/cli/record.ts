/** How a log record looks: text, text on a terminal, JSON. */
import type { Fields, Level } from '../base/log.ts'
import { escapeControls, quote } from './go-syntax.ts'

export type Format = 'text' | 'json'

export interface LogRecord {
  readonly time: Date
  readonly level: Level
  readonly message: string
  readonly fields: Fields
  /** Under --debug: the command or step that speaks. */
  readonly func?: string
}

const two = (n: number) => String(Math.trunc(n)).padStart(2, '0')

/** RFC 3339 with the local offset, to the second: `2026-01-31T09:05:00+01:00`, `...Z` in UTC. */
export function rfc3339(time: Date, offsetMinutes = -time.getTimezoneOffset()): string {
  const local = new Date(time.getTime() + offsetMinutes * 60_000).toISOString().slice(0, 19)
  if (offsetMinutes === 0) return `${local}Z`
  const ahead = Math.abs(offsetMinutes)
  return `${local}${offsetMinutes < 0 ? '-' : '+'}${two(ahead / 60)}:${two(ahead % 60)}`
}

/** A value of a text record, quoted unless it is made of letters, digits and `-._/@^+` only. */
function textValue(value: string | number | boolean): string {
  const text = String(value)
  return /^[A-Za-z0-9\-._/@^+]*$/.test(text) ? text : quote(text)
}

/** Members in alphabetical order; names that every record has are prefixed with `fields.`. */
function sortedFields(fields: Fields): [string, string | number | boolean][] {
  const taken = ['level', 'msg', 'time', 'func', 'file']
  return Object.entries(fields)
    .map(([name, value]): [string, typeof value] => [
      taken.includes(name) ? `fields.${name}` : name,
      value,
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

/** One line: `time="..." level=error msg="..."`, then func, then other fields. */
export function textRecord(record: LogRecord): string {
  const pairs: [string, string | number | boolean][] = [
    ['time', rfc3339(record.time)],
    ['level', record.level],
    ['msg', record.message],
  ]
  if (record.func !== undefined) pairs.push(['func', record.func])
  pairs.push(...sortedFields(record.fields))
  return `${pairs.map(([name, value]) => `${name}=${textValue(value)}`).join(' ')}\n`
}

const COLORS: Readonly<Record<Level, number>> = { debug: 37, info: 36, warning: 33, error: 31 }

/** One line for a person: coloured level, seconds since the start, padded message, fields. */
export function terminalRecord(record: LogRecord, started: number): string {
  const color = (text: string) => `\x1b[${COLORS[record.level]}m${text}\x1b[0m`
  const seconds = Math.max(0, Math.trunc((record.time.getTime() - started) / 1000))
  const level = color(record.level.toUpperCase().slice(0, 4))
  const func = record.func === undefined ? '' : `${record.func}()`
  const message = escapeControls(record.message).padEnd(44)
  const fields = sortedFields(record.fields).map(([n, v]) => ` ${color(n)}=${textValue(v)}`)
  return `${level}[${String(seconds).padStart(4, '0')}]${func} ${message} ${fields.join('')}\n`
}

/** One JSON object on one line, members in alphabetical order. */
export function jsonRecord(record: LogRecord): string {
  const members: Record<string, string | number | boolean> = {
    level: record.level,
    msg: record.message,
    time: rfc3339(record.time),
  }
  if (record.func !== undefined) members.func = record.func
  for (const [name, value] of sortedFields(record.fields)) members[name] = value
  return `${JSON.stringify(Object.fromEntries(Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1))))}\n`
}
