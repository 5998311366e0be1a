/**
 * Paths inside the container's root, resolved against its descriptor: every link, absolute ones
 * included, resolves as if the root were `/`, and `..` never leaves it (threats T-02, T-13, T-14).
 */
import { failure, isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { duplicate, Fd } from '../sys/fd.ts'
import { fstat, mkdir, O, open, openat2, RESOLVE, readlink, S_IF } from '../sys/file.ts'

/** The root of a container: the descriptor everything starts from, and how the host sees it. */
export interface Root {
  readonly fd: Fd
  /** Path of the root as /proc/self/fd shows it, for comparing where a descriptor is. */
  readonly hostPath: string
}

/** openat2 gives EAGAIN when a rename raced its walk. */
const RACES = 64
const MOST_LINKS = 40

/** Never follows /proc/PID/fd and its like: those lead out of every root. */
const INSIDE = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS

/** openat2 below the root; a negative error number is returned: what is missing is no exception. */
function tryOpen(root: Root, path: string, flags: number): number {
  let result = -E.AGAIN
  for (let race = 0; race < RACES && result === -E.AGAIN; race++) {
    result = openat2(root.fd, path, flags, INSIDE)
  }
  return result
}

/** What says that there is no openat2: EPERM comes from a filter that is older than the call. */
const WITHOUT_OPENAT2: readonly number[] = [-E.NOSYS, -E.AGAIN, -E.PERM]

/**
 * Opens what is at `path`, following links.
 *
 * @param flags - `O` values
 * @throws {SyscallError} ENOENT, ELOOP, ENOTDIR ...
 */
export function openInRoot(root: Root, path: string, flags: number): Fd {
  const result = tryOpen(root, path, flags)
  if (result >= 0) return new Fd(result, path)
  if (!WITHOUT_OPENAT2.includes(result)) throw failure('openat2', path, result)
  using place = walk(root, path, undefined)
  if ((flags & O.PATH) !== 0) return duplicate(place)
  // re-opening goes through the descriptor, not through the path again
  return new Fd(open(undefined, `/proc/self/fd/${place.number}`, flags).number, path)
}

/** As `openInRoot` with `O_PATH`; undefined when there is nothing at `path`. */
export function findInRoot(root: Root, path: string): Fd | undefined {
  const result = tryOpen(root, path, O.PATH)
  if (result >= 0) return new Fd(result, path)
  if (result === -E.NOENT) return undefined
  if (!WITHOUT_OPENAT2.includes(result)) throw failure('openat2', path, result)
  try {
    return walk(root, path, undefined)
  } catch (error) {
    if (isErrno(error, E.NOENT)) return undefined
    throw error
  }
}

/**
 * The file at `path`, made with all its missing parents (0755) if there is none: a directory
 * (0755) or an empty regular file (0644). What a dangling link points to is made inside the root.
 *
 * @returns an `O_PATH` descriptor, and whether the file was there before
 * @throws {SyscallError} ENOTDIR also if a directory is there and should not be
 */
export function ensureInRoot(
  root: Root,
  path: string,
  kind: 'directory' | 'file',
): { fd: Fd; existed: boolean } {
  const found = findInRoot(root, path)
  if (found !== undefined) {
    const isDirectory = (fstat(found).mode & S_IF.MT) === S_IF.DIR
    if (isDirectory === (kind === 'directory')) return { fd: found, existed: true }
    found.close()
    throw failure('open', path, -E.NOTDIR)
  }
  return { fd: walk(root, path, kind), existed: false }
}

/** The directory that holds the last component of `path`, made if missing, and that component. */
export function ensureParent(root: Root, path: string): { dir: Fd; name: string } {
  const slash = path.lastIndexOf('/')
  const { fd } = ensureInRoot(root, path.slice(0, slash) || '/', 'directory')
  return { dir: fd, name: path.slice(slash + 1) }
}

/**
 * Opens a directory reached through no link at all, made if missing: where proc and sysfs go
 * (threat T-03).
 *
 * @throws {Error} when there is a link or something else than a directory
 */
export function ensureOrdinaryDirectory(root: Root, path: string, type: string): Fd {
  const refuse = (): never => {
    throw new Error(`filesystem ${JSON.stringify(type)} must be mounted on ordinary directory`)
  }
  let dir = duplicate(root.fd)
  for (const name of components(path)) {
    using parent = dir
    const next = openComponent(parent, name) ?? makeComponent(parent, name, 'directory')
    if ((fstat(next).mode & S_IF.MT) !== S_IF.DIR) {
      next.close()
      refuse()
    }
    dir = next
  }
  return new Fd(dir.number, path)
}

function components(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}

function openComponent(dir: Fd, name: string): Fd | undefined {
  try {
    return open(dir, name, O.PATH | O.NOFOLLOW)
  } catch (error) {
    if (isErrno(error, E.NOENT)) return undefined
    throw error
  }
}

function makeComponent(dir: Fd, name: string, kind: 'directory' | 'file'): Fd {
  if (kind === 'directory') {
    try {
      mkdir(dir, name, 0o755)
    } catch (error) {
      if (!isErrno(error, E.EXIST)) throw error
    }
    return open(dir, name, O.PATH | O.NOFOLLOW)
  }
  return open(dir, name, O.RDONLY | O.CREAT | O.EXCL | O.NOFOLLOW, 0o644)
}

/**
 * Walks component by component, holding a descriptor of every directory on the way, so that `..`
 * is the directory that was passed and not what a rename has put there since.
 *
 * @param make - what to make at the end when something is missing; absent: nothing is made
 */
function walk(root: Root, path: string, make: 'directory' | 'file' | undefined): Fd {
  const passed: Fd[] = []
  const pending = components(path)
  let links = 0
  try {
    for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
      if (name === '..') {
        passed.pop()?.close()
        continue
      }
      const dir = passed.at(-1) ?? root.fd
      let next = openComponent(dir, name)
      if (next === undefined) {
        if (make === undefined) throw failure('open', path, -E.NOENT)
        next = makeComponent(dir, name, pending.length === 0 ? make : 'directory')
      }
      if ((fstat(next).mode & S_IF.MT) !== S_IF.LNK) {
        passed.push(next)
        continue
      }
      using link = next
      if (++links > MOST_LINKS) throw failure('open', path, -E.LOOP)
      const target = readlink(link, '')
      if (target.startsWith('/')) for (const fd of passed.splice(0)) fd.close()
      pending.unshift(...components(target))
    }
    const last = passed.pop()
    return last === undefined ? duplicate(root.fd) : new Fd(last.number, path)
  } finally {
    for (const fd of passed) fd.close()
  }
}

/**
 * Where an open file is, as a path inside the root.
 *
 * @throws {Error} if it is not inside
 */
export function placeInRoot(root: Root, fd: Fd): string {
  const place = readlink(undefined, `/proc/self/fd/${fd.number}`)
  if (place === root.hostPath) return '/'
  const prefix = root.hostPath === '/' ? '/' : `${root.hostPath}/`
  if (!place.startsWith(prefix)) throw new Error(`${fd.label} is outside of the rootfs: ${place}`)
  return `/${place.slice(prefix.length)}`
}
