import { UsageError } from '../base/errors.ts'
import { baseName } from '../base/paths.ts'
import { type Command, defineCommand } from './define.ts'

/**
 * The completion command.
 *
 * @param script - makes the script for a shell and a program's name; it knows all commands
 */
export function completionCommand(
  script: (shell: 'bash' | 'zsh', program: string) => Promise<string>,
): Command {
  return defineCommand({
    name: 'completion',
    summary: 'print a shell completion script',
    usage: '[bash|zsh]',
    description: 'For bash (the default): source <(tsrun completion bash)',
    args: { min: 0, max: 1 },
    options: {},
    async run({ args: [shell = 'bash'], runtime }) {
      if (shell !== 'bash' && shell !== 'zsh')
        throw new UsageError(`no completion for shell "${shell}": bash and zsh are known`)
      runtime.print(await script(shell, baseName(runtime.program)))
      return 0
    },
  })
}
