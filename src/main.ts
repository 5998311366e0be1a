/**
 * The entry. What must, or can, be answered without the system call layer is answered here, before
 * that layer is loaded (cli/program.ts); only here output goes through node:fs and the exit through
 * the engine.
 *
 * The compiled engine is refused without its launcher, which tells where the addon is and closes
 * what the environment could do to the engine. A bare `--version`, asked by every client at its
 * start, does not wait for the addon; other spellings take the usual way.
 */
import { versionText } from './base/version.ts'

const NOT_LAUNCHED = 'tsrun.engine is started by tsrun, the launcher beside it\n'

/** True in the engine that the build makes; false when the program runs from source. */
const isCompiled = import.meta.dirname.startsWith('/$bunfs')

function answer(fd: number, text: string, code: number): never {
  try {
    process.getBuiltinModule('node:fs').writeSync(fd, text)
  } catch {
    // nobody reads it
  }
  process.exit(code)
}

if (isCompiled) {
  if (process.env.TSRUN_LIB === undefined) answer(2, NOT_LAUNCHED, 1)
  const word = process.argv[2]
  if (process.argv.length === 3 && (word === '--version' || word === '-v'))
    answer(1, versionText(), 0)
}
await import('./cli/program.ts')
