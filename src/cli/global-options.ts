import type { OptionDefinitions, OptionValues } from '../commands/define.ts'
import type { CgroupDriver } from '../plan/cgroup.ts'

/** The options of the program itself; but for help and version they may also follow the command. */
export const GLOBAL_OPTIONS = {
  debug: { type: 'flag', summary: 'enable debug logging' },
  log: {
    type: 'string',
    metavar: 'FILE',
    default: '',
    summary: 'append log records to FILE instead of stderr',
  },
  'log-format': {
    type: 'string',
    metavar: 'FORMAT',
    default: 'text',
    summary: 'format of log records: text or json',
  },
  root: { type: 'string', metavar: 'DIR', summary: 'directory for the state of containers' },
  'systemd-cgroup': {
    type: 'flag',
    summary: 'manage cgroups through systemd: as --cgroup-manager systemd',
  },
  'cgroup-manager': {
    type: 'string',
    metavar: 'DRIVER',
    default: 'cgroupfs',
    summary: 'who makes cgroups: cgroupfs, systemd, or disabled for none',
  },
  rootless: {
    type: 'string',
    metavar: 'WHEN',
    default: 'auto',
    summary: 'tolerate cgroup permission errors: true, false or auto',
  },
  criu: { type: 'string', metavar: 'FILE', summary: 'ignored', hidden: true },
} as const satisfies OptionDefinitions

export type GlobalOptions = OptionValues<typeof GLOBAL_OPTIONS>

/** Valid before the command only; every command has a help option of its own. */
export const HELP_OPTION = { type: 'flag', alias: 'h', summary: 'show help' } as const
export const VERSION_OPTION = { type: 'flag', alias: 'v', summary: 'print the version' } as const

/**
 * The driver that the options choose.
 *
 * @throws {Error} for a word that names none
 */
export function cgroupDriver(options: GlobalOptions): CgroupDriver {
  if (options['systemd-cgroup']) return 'systemd'
  const word = options['cgroup-manager']
  if (word === 'cgroupfs' || word === 'systemd' || word === 'disabled') return word
  throw new Error(`invalid cgroup manager ${JSON.stringify(word)}: cgroupfs, systemd or disabled`)
}
