/** What create and run have in common. */
import { absolutePath } from '../base/paths.ts'
import { type Bundle, loadBundle, locating } from '../container/bundle.ts'
import { type Console, openConsole } from '../container/console.ts'
import { type Created, createContainer } from '../container/create.ts'
import { discard } from '../container/delete.ts'
import type { PidfdSocket } from '../container/pidfd-socket.ts'
import type { HandOver } from '../plan/hand-over.ts'
import { S } from '../sys/ffi.ts'
import { workingDirectory } from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'
import type { Runtime } from './define.ts'

/** Options of every command that makes a container. */
export const CREATION_OPTIONS = {
  bundle: {
    type: 'string',
    alias: 'b',
    metavar: 'DIR',
    default: '',
    summary: 'bundle directory; the working directory if not given',
  },
  'pid-file': { type: 'string', metavar: 'FILE', summary: 'write the process id there' },
  'console-socket': {
    type: 'string',
    metavar: 'SOCKET',
    summary: "send the master of the container's terminal there",
  },
  'no-pivot': {
    type: 'flag',
    summary: 'move the root and chroot(2) instead of pivot_root(2); for hosts on a ramdisk',
  },
  'no-new-keyring': { type: 'flag', summary: "keep the caller's session keyring" },
  'preserve-fds': {
    type: 'integer',
    metavar: 'N',
    default: 0,
    summary: 'pass on N more descriptors than the standard streams and those of LISTEN_FDS',
  },
  'pidfd-socket': {
    type: 'string',
    metavar: 'SOCKET',
    summary: 'send a pidfd of the container process there',
  },
} as const

export interface CreationOptions {
  readonly bundle: string
  readonly 'pid-file': string | undefined
  readonly 'console-socket': string | undefined
  readonly 'no-pivot': boolean
  readonly 'no-new-keyring': boolean
  readonly 'preserve-fds': number
  readonly 'pidfd-socket': string | undefined
}

/** Where --pid-file points, before the working directory changes to the bundle. */
export function pidFilePath(options: Pick<CreationOptions, 'pid-file'>): string | undefined {
  const given = options['pid-file']
  return given === undefined || given === '' ? undefined : absolutePath(given, workingDirectory())
}

/**
 * Reads the bundle and creates the container.
 *
 * @param isDetached - tsrun will end before the container does
 * @returns with a console if the container has a terminal
 */
export async function create(
  id: string,
  options: CreationOptions,
  runtime: Runtime,
  isDetached: boolean,
): Promise<{ bundle: Bundle; created: Created; console: Console | undefined }> {
  const bundle = await loadBundle({
    id,
    directory: options.bundle,
    noPivot: options['no-pivot'],
    noNewKeyring: options['no-new-keyring'],
    rootlessCgroups: hasRootlessCgroups(runtime.rootless),
    cgroupDriver: runtime.cgroupDriver,
    handOver: await handOver(id, options, runtime),
  })
  for (const warning of bundle.warnings) runtime.log.warning(warning)
  const console = await openConsole({
    hasTerminal: bundle.plan.process.terminal !== undefined,
    isDetached,
    socket: options['console-socket'],
  })
  using pidfdSocket = await openPidfdSocket(options['pidfd-socket'])
  const created = await locating(bundle.text, () =>
    createContainer(runtime.root, bundle, runtime.log, console?.handOver),
  )
  try {
    pidfdSocket?.send(created.pidfd, 'standard')
  } catch (error) {
    await discard(runtime.root, created, runtime.log)
    throw error
  }
  return { bundle, created, console }
}

/** Before there is a container: nothing is left behind if nobody listens. */
export async function openPidfdSocket(path: string | undefined): Promise<PidfdSocket | undefined> {
  if (path === undefined || path === '') return undefined
  const { PidfdSocket } = await import('../container/pidfd-socket.ts')
  return new PidfdSocket(path)
}

/** Most callers have nothing to hand over, and wait for no module then. */
async function handOver(
  id: string,
  options: CreationOptions,
  { root }: Runtime,
): Promise<HandOver | undefined> {
  const preserved = options['preserve-fds']
  const { LISTEN_FDS, NOTIFY_SOCKET } = process.env
  if (preserved <= 0 && !LISTEN_FDS && !NOTIFY_SOCKET) return undefined
  const { handOverOf } = await import('../container/hand-over.ts')
  return handOverOf(root, id, preserved, process.env)
}

/** --rootless: true, false, or by the user that tsrun runs as. @throws {Error} for another word */
function hasRootlessCgroups(word: string): boolean {
  if (word === '' || word.toLowerCase() === 'auto') return S(NR.geteuid) !== 0
  if (/^(1|t|T|TRUE|true|True)$/.test(word)) return true
  if (/^(0|f|F|FALSE|false|False)$/.test(word)) return false
  throw new Error(`parsing ${JSON.stringify(word)}: invalid syntax`)
}
