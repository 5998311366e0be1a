/** What a test needs of the host. */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { programPath } from './cli.ts'

export type Need =
  | 'root'
  | 'program'
  | 'busybox'
  | 'cgroup v1'
  | 'cgroup v2'
  | 'systemd'
  | 'time namespace'
  | 'user namespace'
  | 'python3'
  | 'libseccomp'
  | `command ${string}`

/** The statically linked busybox of this host, if there is one. */
export function busyboxPath(): string | undefined {
  return ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path))
}

/** Where a command is, by PATH. */
export function findCommand(name: string): string | undefined {
  const paths = (process.env.PATH ?? '').split(':').map((dir) => `${dir}/${name}`)
  return paths.find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

const LIBRARY_PLACES = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
]

function isUnified(): boolean {
  return existsSync('/sys/fs/cgroup/cgroup.controllers')
}

function fulfils(need: Need): boolean {
  switch (need) {
    case 'root':
      return process.geteuid?.() === 0
    case 'program':
      return existsSync(programPath())
    case 'busybox':
      return busyboxPath() !== undefined
    case 'cgroup v1':
      return !isUnified() && readFileSync('/proc/self/cgroup', 'utf8') !== '0::/\n'
    case 'cgroup v2':
      return isUnified()
    case 'systemd':
      return existsSync('/run/systemd/system')
    case 'time namespace':
      return existsSync('/proc/self/ns/time')
    case 'user namespace':
      return existsSync('/proc/self/ns/user')
    case 'libseccomp':
      return LIBRARY_PLACES.some((place) => existsSync(`${place}/libseccomp.so.2`))
    case 'python3':
      return findCommand('python3') !== undefined
    default:
      return findCommand(need.slice('command '.length)) !== undefined
  }
}

/**
 * For tap's `skip` option: the first thing that this host lacks, or false.
 *
 * @example t.test('create ...', { skip: needs('root', 'cgroup v1') }, async (t) => { ... })
 */
export function needs(...wanted: Need[]): string | false {
  const lacking = wanted.find((need) => !fulfils(need))
  return lacking === undefined ? false : `needs ${lacking}`
}

/** What every test that runs a container needs. */
export function needsContainers(...more: Need[]): string | false {
  return needs('root', 'program', 'busybox', ...more)
}
