/** The program: words in, exit code out. Whatever happens ends in `exit` (cli/io.ts). */
import { messageOf, UsageError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { enableTiming, mark, report as reportTiming } from '../base/timing.ts'
import { versionText } from '../base/version.ts'
import type { Command, Runtime } from '../commands/define.ts'
import { inUserNamespace } from '../sys/user-namespace.ts'
import { cgroupDriver, type GlobalOptions } from './global-options.ts'
import {
  effectiveUserId,
  exit,
  isTerminal,
  makeDirectories,
  openLog,
  print,
  setDirectoryMode,
  writeFd,
} from './io.ts'
import { checkArguments, parseCommandLine, type Wanted } from './parse.ts'
import type { Format } from './record.ts'
import { createLog, logFormat, reportError } from './report.ts'
import { resolveRoot } from './root.ts'
import { COMMANDS } from './table.ts'

const STDERR = 2
const program = process.argv0
const words = process.argv.slice(2)

/** A log, and what the report of the final error needs to know of it. */
interface Reporting {
  log: Log
  format: Format
  stderr?: (text: string) => void
  command?: Command
}

function logTo(fd: number, format: Format, debug: boolean, func: string): Log {
  return createLog({
    format,
    debug,
    func,
    write: (line) => writeFd(fd, line),
    isTerminal: () => isTerminal(fd),
    started: performance.timeOrigin,
  })
}

/** What errors are reported to until the options are known: stderr, as text. */
const reporting: Reporting = { log: logTo(STDERR, 'text', false, 'main'), format: 'text' }

/** Lets records go where the options say. @throws {Error} bad format {SyscallError} bad file */
function setUpLog(globals: GlobalOptions, func: string): void {
  reporting.format = logFormat(globals['log-format'])
  reporting.log = logTo(STDERR, reporting.format, globals.debug, func)
  if (globals.log === '') return
  reporting.log = logTo(openLog(globals.log), reporting.format, globals.debug, func)
  reporting.stderr = (text) => writeFd(STDERR, text)
}

/** Makes the default root below $XDG_RUNTIME_DIR; sticky, so that cleaners of that place spare it. */
function makeXdgRoot(path: string): void {
  let hint = 'the path in $XDG_RUNTIME_DIR must be writable by the user'
  try {
    makeDirectories(path, 0o700)
    hint = 'you should check permission of the path in $XDG_RUNTIME_DIR'
    setDirectoryMode(path, 0o1700)
  } catch (error) {
    writeFd(STDERR, `${hint}\n`)
    throw error
  }
}

function resolveRuntime(globals: GlobalOptions): Runtime {
  const root = resolveRoot({
    option: globals.root,
    cwd: () => process.cwd(),
    effectiveUserId,
    inUserNamespace,
    environment: process.env,
  })
  if (root.source === 'xdg') makeXdgRoot(root.path)
  return {
    root: root.path,
    rootIsExplicit: root.source === 'option',
    cgroupDriver: cgroupDriver(globals),
    rootless: globals.rootless,
    debug: globals.debug,
    log: reporting.log,
    program,
    print,
  }
}

/** Prints help: of `command`, or of the program. */
async function showHelp(command: Command | undefined): Promise<void> {
  const { commandHelp, programHelp } = await import('./help.ts')
  const text = command ? commandHelp(program, command) : programHelp(program, COMMANDS)
  print(await text)
}

async function carryOut(wanted: Extract<Wanted, { kind: 'command' }>): Promise<number> {
  const { command, globals, options, args } = wanted
  setUpLog(globals, command.name)
  const runtime = resolveRuntime(globals)
  reporting.command = command
  checkArguments(command, args, program)
  mark('options')
  const code = await command.run({ options, args, runtime } as Parameters<Command['run']>[0])
  mark('command')
  reportTiming(reporting.log)
  return code
}

async function main(): Promise<number> {
  const wanted = await parseCommandLine(words, COMMANDS)
  mark('arguments')
  if (wanted.kind === 'version') {
    print(versionText())
    return 0
  }
  if (wanted.kind === 'help') {
    await showHelp(wanted.command)
    return 0
  }
  if (wanted.kind === 'command') return carryOut(wanted)
  setUpLog(wanted.globals, 'main')
  throw new UsageError(`No help topic for '${wanted.name}'`, { exitCode: 3 })
}

/** What precedes the record of a mistake in the command line: heading, and help on stdout. */
async function explainUsage({ heading, help }: UsageError): Promise<void> {
  // a mistake found by counting, after the flags were read, is headed on stdout
  if (heading?.endsWith('.')) print(`${heading}\n\n`)
  else if (heading !== undefined) writeFd(STDERR, `${heading}\n\n`)
  if (help !== undefined) await showHelp(help === '' ? undefined : await COMMANDS.load(help))
}

async function fail(thrown: unknown): Promise<number> {
  if (thrown instanceof UsageError)
    await explainUsage(thrown).catch((error: unknown) => reporting.log.debug(messageOf(error)))
  reportTiming(reporting.log)
  return reportError(thrown, reporting)
}

// a failure that nobody awaited still ends in one line and an exit code
process.on('unhandledRejection', (reason) => exit(reportError(reason, reporting)))
if (words.includes('--debug')) enableTiming()
mark('start of the engine')
let code: number
try {
  code = await main()
} catch (thrown) {
  code = await fail(thrown)
}
exit(code)
