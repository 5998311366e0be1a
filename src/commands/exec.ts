import { locating } from '../container/bundle.ts'
import { openConsole } from '../container/console.ts'
import { beginExec, prepareExec } from '../container/exec.ts'
import { writePidFile } from '../container/pid-file.ts'
import { attend, holdSignals } from '../container/run.ts'
import { parseSubCgroups } from '../plan/exec-cgroup.ts'
import type { ProcessChanges } from '../plan/exec-plan.ts'
import { CREATION_OPTIONS, openPidfdSocket, pidFilePath } from './creation.ts'
import { defineCommand, type OptionValues } from './define.ts'

const OPTIONS = {
  'console-socket': CREATION_OPTIONS['console-socket'],
  'pidfd-socket': {
    ...CREATION_OPTIONS['pidfd-socket'],
    summary: 'send a pidfd of the process there',
  },
  cwd: { type: 'string', metavar: 'DIR', summary: 'working directory in the container' },
  env: { type: 'list', alias: 'e', metavar: 'NAME=VALUE', summary: 'add to the environment' },
  tty: { type: 'flag', alias: 't', summary: 'give the process a terminal' },
  user: { type: 'string', alias: 'u', metavar: 'UID[:GID]', summary: 'user and group id' },
  'additional-gids': {
    type: 'integers',
    alias: 'g',
    metavar: 'GID',
    summary: 'add to the supplementary groups',
  },
  process: {
    type: 'string',
    alias: 'p',
    metavar: 'FILE',
    summary: 'take the process from FILE (process.json); options that describe one are ignored',
  },
  detach: { type: 'flag', alias: 'd', summary: 'return once the program runs' },
  'pid-file': CREATION_OPTIONS['pid-file'],
  'process-label': { type: 'string', metavar: 'LABEL', summary: 'SELinux label of the process' },
  apparmor: { type: 'string', metavar: 'PROFILE', summary: 'AppArmor profile of the process' },
  'no-new-privs': { type: 'flag', optional: true, summary: 'set no_new_privs, or not' },
  cap: {
    type: 'list',
    alias: 'c',
    metavar: 'CAPABILITY',
    summary: 'add to the bounding, effective and permitted capabilities',
  },
  'preserve-fds': {
    type: 'integer',
    metavar: 'N',
    default: 0,
    summary: 'pass on N more descriptors than the standard streams',
  },
  cgroup: {
    type: 'list',
    metavar: '[CONTROLLER[,CONTROLLER]:]PATH',
    summary: "run in a cgroup below the container's, which exists",
  },
  'ignore-paused': { type: 'flag', summary: 'in a paused container: wait until it is resumed' },
} as const

type ExecOptions = OptionValues<typeof OPTIONS>

export default defineCommand({
  name: 'exec',
  summary: 'run a further process in a container',
  usage: '<container-id> <command> [args] | --process FILE <container-id>',
  description:
    "The process is what the container's configuration says, with the changes given. In the foreground, signals are passed on, and the exit status is the process's own, or 128 + the signal that ended it; 255 means that it could not be started.",
  args: { min: 1 },
  stopAtPositional: true,
  options: OPTIONS,
  errorPrefix: 'exec failed',
  errorExitCode: 255,
  async run({ options, args: [id = '', ...words], runtime: { root, log } }) {
    const pidFile = pidFilePath(options)
    using signals = options.detach ? undefined : holdSignals()
    const passedDescriptors = await countPassed(options['preserve-fds'])
    const prepared = await prepareExec(
      root,
      {
        id,
        process: options.process || changesOf(options, words),
        cgroups: parseSubCgroups(options.cgroup),
        ignoresPaused: options['ignore-paused'],
        passedDescriptors,
      },
      log,
    )
    const console = await openConsole({
      hasTerminal: prepared.plan.process.terminal !== undefined,
      isDetached: options.detach,
      socket: options['console-socket'],
    })
    using terminal = console?.foreground
    using pidfdSocket = await openPidfdSocket(options['pidfd-socket'])
    const { text, fileName } = prepared.source
    const started = await locating(
      text,
      () => beginExec(prepared, console?.handOver, log),
      fileName,
    )
    try {
      pidfdSocket?.send(started.pidfd, 'setns')
      terminal?.begin()
      if (pidFile !== undefined) writePidFile(pidFile, started.pid)
      started.release()
    } catch (error) {
      started.discard()
      throw error
    }
    await closePassed(passedDescriptors)
    if (signals === undefined) {
      started.awaitExecuted()
      return 0
    }
    return terminal
      ? terminal.attend(started.pid, started.pidfd, signals)
      : attend(started.pid, started.pidfd, signals)
  },
})

/** What the flags change of the configured process. @throws {Error} in runc's words */
function changesOf(options: ExecOptions, args: readonly string[]): ProcessChanges {
  if (args.length === 0) throw new Error('exec args cannot be empty')
  const negative = options['additional-gids'].find((gid) => gid < 0)
  if (negative !== undefined) {
    throw new Error(`additional-gids must be a positive number ${negative}`)
  }
  const excessive = options['additional-gids'].find((gid) => gid > LAST_ID)
  if (excessive !== undefined) throw new Error(`additional-gids: ${excessive} is no group id`)
  const noNewPrivileges = options['no-new-privs']
  return {
    args,
    env: options.env,
    additionalGids: options['additional-gids'],
    capabilities: options.cap,
    terminal: options.tty,
    ...(options.apparmor && { apparmorProfile: options.apparmor }),
    ...(options['process-label'] && { selinuxLabel: options['process-label'] }),
    ...(options.cwd && { cwd: options.cwd }),
    ...(options.user && { user: parseUser(options.user) }),
    ...(noNewPrivileges !== undefined && { noNewPrivileges }),
  }
}

/**
 * Reads `UID[:GID]`: decimal numbers, whole, with nothing that stands for another (threat T-15).
 *
 * @throws {Error} in runc's words
 */
export function parseUser(text: string): NonNullable<ProcessChanges['user']> {
  const colon = text.indexOf(':')
  if (colon < 0) return { uid: parseUserId(text, 'uid') }
  const gid = parseUserId(text.slice(colon + 1), 'gid')
  return { uid: parseUserId(text.slice(0, colon), 'uid'), gid }
}

/** The highest number stands for "no change". */
const LAST_ID = 0xfffffffe

function parseUserId(text: string, what: 'uid' | 'gid'): number {
  const refuse = (why: string): never => {
    throw new Error(`bad ${what}: parsing ${JSON.stringify(text)}: ${why}`)
  }
  if (!/^\d+$/.test(text)) return refuse('invalid syntax')
  const id = Number(text)
  return id > LAST_ID ? refuse('value out of range') : id
}

async function countPassed(preserved: number): Promise<number> {
  if (preserved <= 0) return 0
  const { passedDescriptors } = await import('../container/descriptors.ts')
  // sockets of an activation are the container's own business
  const { TSRUN_FREE } = process.env
  return passedDescriptors(preserved, { TSRUN_FREE }).count
}

/** Whoever is at their other ends then sees when the process is done with them. */
async function closePassed(count: number): Promise<void> {
  if (count === 0) return
  const { closePassed } = await import('../container/descriptors.ts')
  closePassed(count)
}
