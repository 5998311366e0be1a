import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'

/** What `tsrun validate` knows of a host, read from /proc and /sys without changing anything. */
export interface Host {
  /** True if the path exists; symbolic links are followed. */
  exists(path: string): boolean
  isDirectory(path: string): boolean
  /** Text of a file, empty if it cannot be read. */
  read(path: string): string
  list(path: string): readonly string[]
  /** True if both paths lead to one inode. */
  isSame(path: string, other: string): boolean
}

/** The host that this program runs on. */
export const thisHost: Host = {
  exists: existsSync,
  isDirectory: (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false,
  read: (path) => attempt(() => readFileSync(path, 'utf8'), ''),
  list: (path) => attempt(() => readdirSync(path), []),
  isSame: (path, other) =>
    attempt(() => {
      const [first, second] = [statSync(path), statSync(other)]
      return first.ino === second.ino && first.dev === second.dev
    }, false),
}

function attempt<T>(action: () => T, otherwise: T): T {
  try {
    return action()
  } catch {
    return otherwise
  }
}

/** The words of a file, in any kind of blank. */
export function wordsOf(host: Host, path: string): string[] {
  return host.read(path).split(/\s+/).filter(Boolean)
}
