/**
 * The words of a command line, read the way Go's command-line package reads them for runc.
 * What is a flag, what its value and what a positional is decided here, and nowhere else: the
 * rules (a value is the next word whatever it looks like, single-dash long names, no bundles)
 * are not those of getopt or of yargs.
 */
import { UsageError } from '../base/errors.ts'
import type { OptionDefinition } from '../commands/define.ts'
import { parseBoolean, parseInteger, quote, ValueError } from './go-syntax.ts'

/** An option that a name stands for, and where its value goes. */
export interface Target {
  readonly name: string
  readonly definition: OptionDefinition
  readonly values: Values
}

export type Value = boolean | string | number | readonly string[] | readonly number[]
export type Values = Record<string, Value>

export interface Grammar {
  /** The option called `name` (without dashes), long or short. */
  lookup(name: string): Target | undefined
  /** Flags end once there are that many positionals; absent: they never do. */
  readonly flagsEndAfter?: number
  /** True for a word that ends the flags and begins the rest (the command's name). */
  endsFlags?(word: string): boolean
}

export interface Words {
  readonly positionals: readonly string[]
  /** How many positionals came before a `--`; all of them if there was none. */
  readonly plain: number
}

/** Stores a value given as text. @throws {UsageError} it is none of the option's type */
function assign({ name, definition, values }: Target, typed: string, text: string): void {
  try {
    if (definition.type === 'flag') values[name] = parseBoolean(text === '' ? 'true' : text)
    else if (definition.type === 'integer') values[name] = parseInteger(text)
    else if (definition.type === 'string') values[name] = text
    else if (definition.type === 'integers')
      values[name] = [
        ...((values[name] as readonly number[] | undefined) ?? []),
        parseInteger(text),
      ]
    else values[name] = [...((values[name] as readonly string[] | undefined) ?? []), text]
  } catch (error) {
    if (!(error instanceof ValueError)) throw error
    throw new UsageError(`invalid value ${quote(text)} for flag -${typed}: ${error.message}`)
  }
}

/** True for `-5`, `-.`: a dash and no letter after it, so not a flag. */
function isNegativeNumberLike(word: string): boolean {
  return word.charAt(1) !== '-' && !/^-[A-Za-z\u0080-\uffff]/.test(word)
}

/**
 * Reads `words`, storing options where `grammar` says.
 *
 * @throws {UsageError} undefined flag, missing value, bad value; texts are the ones clients match
 */
export function readWords(words: readonly string[], grammar: Grammar): Words {
  const positionals: string[] = []
  const rest = (from: number, afterDashes: boolean): Words => {
    const plain = positionals.length
    positionals.push(...words.slice(from))
    return { positionals, plain: afterDashes ? plain : positionals.length }
  }
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    if (word === '--') return rest(i + 1, true)
    if (positionals.length === grammar.flagsEndAfter) return rest(i, false)
    if (!word.startsWith('-') || word === '-') {
      if (grammar.endsFlags?.(word)) return rest(i, false)
      positionals.push(word)
      continue
    }
    if (isNegativeNumberLike(word)) return rest(i, false)
    const body = word.slice(word.startsWith('--') ? 2 : 1)
    const equals = body.indexOf('=')
    const typed = equals < 0 ? body : body.slice(0, equals)
    const target = grammar.lookup(typed)
    if (target === undefined) throw new UsageError(`flag provided but not defined: -${typed}`)
    let value = equals < 0 ? undefined : body.slice(equals + 1)
    if (value === undefined && target.definition.type !== 'flag') {
      value = words[++i]
      if (value === undefined) throw new UsageError(`flag needs an argument: ${word}`)
    }
    assign(target, typed, value ?? '')
  }
  return { positionals, plain: positionals.length }
}
