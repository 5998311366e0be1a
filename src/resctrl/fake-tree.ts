/** For tests only: does in a tree of ordinary files what the kernel does by itself in resctrl. */
import { failure } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import {
  AT,
  mkdir,
  O,
  open,
  readDirectory,
  readFile,
  S_IF,
  stat,
  statIfAny,
  unlink,
  writeAll,
} from '../sys/file.ts'
import { formatLine, parseSchemata } from './schemata.ts'

/** Fills a new group: a class starts with the schemata of the default one. */
export function furnish(root: Fd, group: Fd, isClass: boolean): void {
  makeFile(group, 'tasks', '')
  mkdir(group, 'mon_data', 0o755)
  if (!isClass) return
  makeFile(group, 'schemata', readFile(root, 'schemata'))
  // a kernel that cannot monitor has none
  if (statIfAny(root, 'mon_groups') !== undefined) mkdir(group, 'mon_groups', 0o755)
}

/** Takes a line that was written to a file of a group: a process id, or about one resource. */
export function take(group: Fd, name: string, line: string): void {
  using file = open(group, name, O.WRONLY | O.APPEND | O.NOFOLLOW)
  if (name !== 'schemata') {
    writeAll(file, `${line}\n`)
    return
  }
  const resources = parseSchemata(readFile(group, name))
  for (const [resource, domains] of parseSchemata(line)) {
    const known = resources.get(resource)
    if (known === undefined) throw failure('write', file.label, -E.INVAL)
    resources.set(resource, new Map([...known, ...domains]))
  }
  replace(group, name, [...resources].map(([key, value]) => `${formatLine(key, value)}\n`).join(''))
}

function replace(dir: Fd, name: string, content: string): void {
  using file = open(dir, name, O.WRONLY | O.TRUNC | O.NOFOLLOW)
  writeAll(file, content)
}

function makeFile(dir: Fd, name: string, content: string): void {
  using file = open(dir, name, O.WRONLY | O.CREAT | O.EXCL, 0o644)
  writeAll(file, content)
}

/** Empties a group that is to be removed. */
export function clear(group: Fd): void {
  for (const name of readDirectory(group)) {
    if ((stat(group, name, false).mode & S_IF.MT) !== S_IF.DIR) {
      unlink(group, name)
      continue
    }
    using inner = open(group, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW)
    clear(inner)
    unlink(group, name, AT.REMOVEDIR)
  }
}

/** The lines of a `tasks` file whose processes still exist. */
export function living(tasks: string): string {
  return tasks
    .split('\n')
    .filter((pid) => pid !== '' && statIfAny(undefined, `/proc/${pid}`) !== undefined)
    .join('\n')
}
