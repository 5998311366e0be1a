export type Level = 'debug' | 'info' | 'warning' | 'error'

/** Extra members of a log record: scalars, written at the top level of a JSON record. */
export type Fields = Readonly<Record<string, string | number | boolean>>

/** The log of one command; where records go and how they look is decided in cli/report.ts. */
export interface Log {
  readonly debugEnabled: boolean
  debug(message: string, fields?: Fields): void
  info(message: string, fields?: Fields): void
  warning(message: string, fields?: Fields): void
  error(message: string, fields?: Fields): void
}
