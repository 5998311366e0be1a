import type { Command } from '../commands/define.ts'

type Loader = () => Promise<{ readonly default: Command }>

/** Every command; a module is loaded only when its command is named (or for the whole help). */
const LOADERS: Readonly<Record<string, Loader>> = {
  completion: async () => {
    const { completionCommand } = await import('../commands/completion.ts')
    return { default: completionCommand(completion) }
  },
  create: () => import('../commands/create.ts'),
  delete: () => import('../commands/delete.ts'),
  events: () => import('../commands/events.ts'),
  exec: () => import('../commands/exec.ts'),
  features: () => import('../commands/features.ts'),
  kill: () => import('../commands/kill.ts'),
  list: () => import('../commands/list.ts'),
  pause: () => import('../commands/pause.ts'),
  ps: () => import('../commands/ps.ts'),
  resume: () => import('../commands/resume.ts'),
  run: () => import('../commands/run.ts'),
  spec: () => import('../commands/spec.ts'),
  start: () => import('../commands/start.ts'),
  state: () => import('../commands/state.ts'),
  update: () => import('../commands/update.ts'),
  validate: () => import('../commands/validate.ts'),
}

/** What the parser needs to know of the commands; a test gives its own. */
export interface CommandTable {
  has(name: string): boolean
  names(): readonly string[]
  /** @throws {Error} no such command: ask `has` first */
  load(name: string): Promise<Command>
}

/** A table of commands from loaders by name. */
export function commandTable(loaders: Readonly<Record<string, Loader>>): CommandTable {
  return {
    has: (name) => Object.hasOwn(loaders, name),
    names: () => Object.keys(loaders),
    load: async (name) => {
      const loader = loaders[name]
      if (loader === undefined) throw new Error(`no command ${name}`)
      return (await loader()).default
    },
  }
}

export const COMMANDS: CommandTable = commandTable(LOADERS)

/** The script that the completion command prints; it tells of all commands, so it is made here. */
async function completion(shell: 'bash' | 'zsh', program: string): Promise<string> {
  const { completionScript } = await import('./completion.ts')
  const commands = await Promise.all(COMMANDS.names().map((name) => COMMANDS.load(name)))
  return completionScript(shell, program, commands)
}
