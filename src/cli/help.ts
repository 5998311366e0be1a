/** Help texts, made by yargs from the command table. Loaded only when help is shown. */
import type yargsFactory from 'yargs'
import { baseName } from '../base/paths.ts'
import type { Command, OptionDefinition, OptionDefinitions } from '../commands/define.ts'
import { GLOBAL_OPTIONS, HELP_OPTION, VERSION_OPTION } from './global-options.ts'
import type { CommandTable } from './table.ts'

const WIDTH = 100

type Argv = ReturnType<typeof yargsFactory>
type Options = Parameters<Argv['options']>[0][string]

/**
 * Runs `use` with a yargs instance that only lays out text: it neither parses nor prints nor exits.
 *
 * On import and on call yargs looks at process.stdout and process.stderr, and creating those
 * streams makes the pipes that the caller shares with us non-blocking. So meanwhile the global
 * `process` is one that has empty streams (defining them on the real one would create them, too).
 */
async function withLayout(use: (yargs: Argv) => void): Promise<string> {
  const real = globalThis.process
  globalThis.process = Object.create(real, { stdout: { value: {} }, stderr: { value: {} } })
  try {
    const { default: yargs } = await import('yargs')
    const layout = yargs([])
      .scriptName('')
      .exitProcess(false)
      .detectLocale(false)
      .help(false)
      .version(false)
      .wrap(WIDTH)
      .updateStrings({ 'Commands:': 'COMMANDS:', 'Options:': 'OPTIONS:' })
    use(layout)
    return `${await layout.getHelp()}\n`
  } finally {
    globalThis.process = real
  }
}

const YARGS_TYPE = {
  flag: 'boolean',
  string: 'string',
  integer: 'number',
  list: 'array',
  integers: 'array',
} as const

function yargsOption(definition: OptionDefinition): Options {
  const { alias, default: value, hidden, metavar, summary, type } = definition
  return {
    type: YARGS_TYPE[type],
    describe:
      metavar === undefined || summary.includes(metavar) ? summary : `${summary} (${metavar})`,
    ...(alias !== undefined && { alias }),
    ...(value !== undefined && value !== '' && { default: value }),
    ...(hidden === true && { hidden }),
  }
}

function addOptions(yargs: Argv, definitions: OptionDefinitions, group: string): void {
  for (const name in definitions) {
    const definition = definitions[name]
    if (definition !== undefined) yargs.option(name, { ...yargsOption(definition), group })
  }
}

function sections(parts: readonly (readonly [string, string])[]): string {
  return parts.map(([title, text]) => `${title}:\n   ${text}\n`).join('\n')
}

/** Help of one command: what it is for, its options, and the global ones. */
export async function commandHelp(program: string, command: Command): Promise<string> {
  const others = Object.entries(GLOBAL_OPTIONS).filter(([name]) => !(name in command.options))
  const options = await withLayout((yargs) => {
    addOptions(yargs, { ...command.options, help: HELP_OPTION }, 'OPTIONS:')
    addOptions(yargs, Object.fromEntries(others), 'GLOBAL OPTIONS:')
  })
  const name = `${baseName(program)} ${command.name}`
  const head = sections([
    ['NAME', `${name} - ${command.summary}`],
    ['USAGE', `${name} [options] ${command.usage}`.trimEnd()],
    ...(command.description === undefined ? [] : [['DESCRIPTION', command.description] as const]),
  ])
  return `${head}\n${options}`
}

/** Help of the whole program: its commands and global options. */
export async function programHelp(program: string, table: CommandTable): Promise<string> {
  const commands: Command[] = []
  for (const name of table.names()) commands.push(await table.load(name))
  const rest = await withLayout((yargs) => {
    yargs.usage('Every command has help of its own: COMMAND --help.')
    for (const { name, summary, hidden } of commands)
      if (hidden !== true) yargs.command(name, summary)
    yargs.command('help', 'show the help of a command')
    addOptions(yargs, { ...GLOBAL_OPTIONS, help: HELP_OPTION, version: VERSION_OPTION }, 'OPTIONS:')
  })
  const head = sections([
    ['NAME', 'runc - Open Container Initiative runtime'],
    ['USAGE', `${baseName(program)} [global options] command [command options] [arguments...]`],
  ])
  return `${head}\n${rest}`
}
