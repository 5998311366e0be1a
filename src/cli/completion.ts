/**
 * Completion scripts, made from the command table. They are static: a TAB starts tsrun only to
 * list the ids of containers.
 */
import type { Command, OptionDefinition, OptionDefinitions } from '../commands/define.ts'
import { GLOBAL_OPTIONS, HELP_OPTION, VERSION_OPTION } from './global-options.ts'

export type Shell = 'bash' | 'zsh'

/** Every spelling of the options that help shows, and which of them take a value. */
function spellings(definitions: OptionDefinitions): { all: string[]; withValue: string[] } {
  const all: string[] = []
  const withValue: string[] = []
  for (const name in definitions) {
    const definition = definitions[name]
    if (definition === undefined || definition.hidden === true) continue
    const names = [`--${name}`, ...(definition.alias ? [`-${definition.alias}`] : [])]
    all.push(...names)
    if (definition.type !== 'flag') withValue.push(...names)
  }
  return { all, withValue }
}

const takesId = (command: Command) => /^<container-id>/.test(command.usage)
/** The commands that make an id complete no existing one. */
const NEW_ID = ['create', 'run', 'restore']

function bashScript(name: string, commands: readonly Command[]): string {
  const identifier = name.replaceAll(/\W/g, '_')
  const global = spellings({ ...GLOBAL_OPTIONS, help: HELP_OPTION, version: VERSION_OPTION })
  const cases = commands.map((command) => {
    const { all, withValue } = spellings({ ...command.options, help: HELP_OPTION })
    const ids = takesId(command) && !NEW_ID.includes(command.name)
    return `    ${command.name}) options='${all.join(' ')}' valued='${withValue.join(' ')}' ids=${ids ? 1 : 0} ;;`
  })
  return `# completion of ${name} for bash
_${identifier}() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local commands='${commands.map((c) => c.name).join(' ')} help'
  local options='${global.all.join(' ')}' valued='' ids=0
  local global_valued=' ${global.withValue.join(' ')} '
  local command='' root='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      --root) root=\${COMP_WORDS[i+1]} ;;
    esac
    if [[ $global_valued == *" \${COMP_WORDS[i]} "* ]]; then
      ((i++))
    elif [[ \${COMP_WORDS[i]} != -* && \${COMP_WORDS[i]} != = ]]; then
      command=\${COMP_WORDS[i]}
      break
    fi
  done
  case $command in
${cases.join('\n')}
  esac
  COMPREPLY=()
  if [[ " $valued $global_valued " == *" $previous "* ]]; then
    compopt -o default
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
  elif [[ -z $command || $command == help ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
  elif ((ids)); then
    local list
    list=$("\${COMP_WORDS[0]}" \${root:+--root "$root"} list --quiet 2>/dev/null)
    mapfile -t COMPREPLY < <(compgen -W "$list" -- "$word")
  fi
}
complete -F _${identifier} ${name}
`
}

/** Text inside single quotes of a zsh option specification. */
function zshText(text: string): string {
  return text.replaceAll("'", '’').replaceAll(/[[\]:\\]/g, '\\$&')
}

function zshOption(name: string, definition: OptionDefinition): string[] {
  if (definition.hidden === true) return []
  const repeat = definition.type === 'list' || definition.type === 'integers' ? '*' : ''
  const value = definition.type === 'flag' ? '' : `:${definition.metavar ?? 'VALUE'}:_files`
  const names = [`--${name}`, ...(definition.alias ? [`-${definition.alias}`] : [])]
  return names.map((n) => `'${repeat}${n}[${zshText(definition.summary)}]${value}'`)
}

function zshOptions(definitions: OptionDefinitions): string {
  return Object.entries(definitions)
    .flatMap(([name, definition]) => zshOption(name, definition))
    .join(' ')
}

function zshScript(name: string, commands: readonly Command[]): string {
  const identifier = name.replaceAll(/\W/g, '_')
  const global = zshOptions({ ...GLOBAL_OPTIONS, help: HELP_OPTION, version: VERSION_OPTION })
  const list = commands.map((c) => `    '${c.name}:${zshText(c.summary)}'`)
  const cases = commands.map((command) => {
    const ids = takesId(command) && !NEW_ID.includes(command.name)
    const options = zshOptions({ ...command.options, help: HELP_OPTION })
    return `    ${command.name}) _arguments ${options}${ids ? ` ':id:_${identifier}_ids'` : ''} ;;`
  })
  return `#compdef ${name}
# completion of ${name} for zsh
_${identifier}_ids() {
  local -a ids root
  (( \${+opt_args[--root]} )) && root=(--root "\${opt_args[--root]}")
  ids=(\${(f)"$(${name} $root list --quiet 2>/dev/null)"})
  compadd -a ids
}
_${identifier}() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  local -a commands=(
${list.join('\n')}
    'help:show the help of a command'
  )
  _arguments -C ${global} '1:command:->command' '*::argument:->argument' && return
  case $state in
    command) _describe command commands; return ;;
  esac
  case $line[1] in
${cases.join('\n')}
    help) _describe command commands ;;
  esac
}
compdef _${identifier} ${name}
`
}

/**
 * A script for `shell` that completes the program called `name` (its last path component):
 * `source <(tsrun completion bash)`.
 */
export function completionScript(shell: Shell, name: string, commands: readonly Command[]): string {
  const shown = commands.filter((command) => command.hidden !== true)
  return shell === 'bash' ? bashScript(name, shown) : zshScript(name, shown)
}
