/** What create and run have in common. */
import { absolutePath } from '../base/paths.ts'
import { type Bundle, loadBundle, locating } from '../container/bundle.ts'
import { type Created, createContainer } from '../container/create.ts'
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
  'no-pivot': {
    type: 'flag',
    summary: 'move the root and chroot(2) instead of pivot_root(2); for hosts on a ramdisk',
  },
  'no-new-keyring': { type: 'flag', summary: "keep the caller's session keyring" },
} as const

export interface CreationOptions {
  readonly bundle: string
  readonly 'pid-file': string | undefined
  readonly 'no-pivot': boolean
  readonly 'no-new-keyring': boolean
}

/** Where --pid-file points, before the working directory changes to the bundle. */
export function pidFilePath(options: CreationOptions): string | undefined {
  const given = options['pid-file']
  return given === undefined || given === '' ? undefined : absolutePath(given, workingDirectory())
}

/** Reads the bundle and creates the container. */
export async function create(
  id: string,
  options: CreationOptions,
  runtime: Runtime,
): Promise<{ bundle: Bundle; created: Created }> {
  const bundle = await loadBundle({
    id,
    directory: options.bundle,
    noPivot: options['no-pivot'],
    noNewKeyring: options['no-new-keyring'],
    rootlessCgroups: hasRootlessCgroups(runtime.rootless),
    cgroupDriver: runtime.cgroupDriver,
  })
  for (const warning of bundle.warnings) runtime.log.warning(warning)
  const created = await locating(bundle.text, () =>
    createContainer(runtime.root, bundle, runtime.log),
  )
  return { bundle, created }
}

/** --rootless: true, false, or by the user that tsrun runs as. @throws {Error} for another word */
function hasRootlessCgroups(word: string): boolean {
  if (word === '' || word.toLowerCase() === 'auto') return S(NR.geteuid) !== 0
  if (/^(1|t|T|TRUE|true|True)$/.test(word)) return true
  if (/^(0|f|F|FALSE|false|False)$/.test(word)) return false
  throw new Error(`parsing ${JSON.stringify(word)}: invalid syntax`)
}
