/** For tests only. */
import type { Files } from './files.ts'

/** The files of a cgroup, given by name. */
export function filesOf(contents: Readonly<Record<string, string>>): Files {
  return {
    read: (name) => (Object.hasOwn(contents, name) ? contents[name] : undefined),
    names: () => Object.keys(contents),
  }
}
