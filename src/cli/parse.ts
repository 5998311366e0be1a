/**
 * From the words after the program's name to what is wanted. yargs-parser is not on this path: the
 * words must be read one by one anyway to follow Go's rules (words.ts), and having it produce the
 * values of words that are already taken apart made a whole `create` 0.6 ms slower (of 6.6).
 */
import { ContainerError, UsageError } from '../base/errors.ts'
import type { Command, OptionDefinition, OptionDefinitions } from '../commands/define.ts'
import {
  GLOBAL_OPTIONS,
  type GlobalOptions,
  HELP_OPTION,
  VERSION_OPTION,
} from './global-options.ts'
import type { CommandTable } from './table.ts'
import { type Grammar, readWords, type Target, type Values } from './words.ts'

export type Wanted =
  | { readonly kind: 'version' }
  /** `command` absent: help of the whole program. */
  | { readonly kind: 'help'; readonly command?: Command }
  /** A command that does not exist. */
  | { readonly kind: 'unknown'; readonly name: string; readonly globals: GlobalOptions }
  | {
      readonly kind: 'command'
      readonly command: Command
      readonly options: Values
      readonly args: readonly string[]
      readonly globals: GlobalOptions
    }

function find(
  definitions: OptionDefinitions,
  typed: string,
): { name: string; definition: OptionDefinition } | undefined {
  if (Object.hasOwn(definitions, typed)) {
    const definition = definitions[typed]
    if (definition !== undefined) return { name: typed, definition }
  }
  for (const name in definitions) {
    const definition = definitions[name]
    if (definition?.alias === typed) return { name, definition }
  }
  return undefined
}

function target(definitions: OptionDefinitions, values: Values, typed: string): Target | undefined {
  const found = find(definitions, typed)
  return found === undefined ? undefined : { ...found, values }
}

/** The values of options nobody gave: false, an empty list, the declared default, or none. */
function defaults(definitions: OptionDefinitions): Values {
  const values: Values = {}
  for (const name in definitions) {
    const definition = definitions[name]
    if (definition?.default !== undefined) values[name] = definition.default
    else if (definition?.type === 'flag') {
      if (definition.optional !== true) values[name] = false
    } else if (definition?.type === 'list' || definition?.type === 'integers') values[name] = []
  }
  return values
}

const isHelp = (word: string | undefined) => word === 'help' || word === 'h'

const PROGRAM_ONLY = { help: HELP_OPTION, version: VERSION_OPTION } as const
const COMMAND_ONLY = { help: HELP_OPTION } as const

/**
 * Runs `read`; what it refuses becomes an error that shows `help`, unless help had been asked for
 * before the mistake.
 */
function refusing<T>(help: string, asked: Values, read: () => T): T | 'help' {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    if (asked.help === true) return 'help'
    throw new UsageError(error.message, { heading: `Incorrect Usage: ${error.message}`, help })
  }
}

/**
 * Reads a command line.
 *
 * @param words - what follows the program's name
 * @throws {UsageError} a mistake in flags; `heading` goes to stderr, the help of `help` (the
 *   program's if empty) to stdout
 */
export async function parseCommandLine(
  words: readonly string[],
  table: CommandTable,
): Promise<Wanted> {
  const globals = defaults(GLOBAL_OPTIONS)
  const own: Values = {}
  const read = refusing('', own, () =>
    readWords(words, {
      lookup: (typed) => target(PROGRAM_ONLY, own, typed) ?? target(GLOBAL_OPTIONS, globals, typed),
      endsFlags: (word) => table.has(word) || isHelp(word),
    }),
  )
  if (read === 'help') return { kind: 'help' }
  let [name, ...rest] = read.positionals
  if (own.help !== true && own.version === true) return { kind: 'version' }
  const helpOnly = own.help === true || isHelp(name)
  if (isHelp(name)) [name, ...rest] = rest
  if (name === undefined) return { kind: 'help' }
  if (!table.has(name)) return { kind: 'unknown', name, globals: globals as GlobalOptions }
  const command = await table.load(name)
  if (helpOnly) return { kind: 'help', command }
  return parseCommand(command, rest, globals)
}

function parseCommand(command: Command, words: readonly string[], globals: Values): Wanted {
  const options = defaults(command.options)
  const own: Values = {}
  const grammar: Grammar = {
    lookup: (typed) =>
      target(command.options, options, typed) ??
      target(COMMAND_ONLY, own, typed) ??
      target(GLOBAL_OPTIONS, globals, typed),
    ...(command.stopAtPositional === true && { flagsEndAfter: 1 }),
  }
  const read = refusing(command.name, own, () => readWords(words, grammar))
  if (read === 'help' || own.help === true) return { kind: 'help', command }
  const args = read.positionals
  if (isHelp(args[0]) && read.plain > 0) return { kind: 'help', command }
  return { kind: 'command', command, options, args, globals: globals as GlobalOptions }
}

/**
 * Checks the number of positionals, and that a required first one (a container's id) is not empty.
 *
 * @param program - argv[0], as the message begins with it
 * @throws {UsageError} too few or too many; `heading` and help go to stdout
 * @throws {ContainerError} an empty id
 */
export function checkArguments(command: Command, args: readonly string[], program: string): void {
  const { min, max = Number.POSITIVE_INFINITY } = command.args
  const refuse = (what: string, count: number) => {
    const message = `${program}: "${command.name}" requires ${what} ${count} argument(s)`
    return new UsageError(message, { heading: 'Incorrect Usage.', help: command.name })
  }
  if (min === max && args.length !== min) throw refuse('exactly', min)
  if (args.length < min) throw refuse('a minimum of', min)
  if (args.length > max) throw refuse('a maximum of', max)
  if (min > 0 && args[0] === '')
    throw new ContainerError('invalid-id', 'container id cannot be empty')
}
