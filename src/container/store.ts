/**
 * The state directory: `<root>/<id>/` with state.json (replaced atomically), config.json (the
 * bundle's, as it was at create), resources.json (after an update) and exec.fifo (while the
 * container waits for start). The directory itself is the lock that orders commands on one container.
 */
import { ContainerError, messageOf } from '../base/errors.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import {
  AT,
  flock,
  fstat,
  LOCK,
  mkdir,
  mknod,
  O,
  open,
  readDirectory,
  readFile,
  rename,
  S_IF,
  statIfAny,
  unlink,
  writeAll,
} from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'
import { expectState, type State } from './state.ts'

const STATE = 'state.json'
const CONFIG = 'config.json'
const RESOURCES = 'resources.json'
const FIFO = 'exec.fifo'

const ROOT_MODE = 0o700
const CONTAINER_MODE = 0o711

/** @throws {ContainerError} for anything but letters, digits and `_+-.` (threat T-28) */
export function checkId(id: string): void {
  if (id === '') throw new ContainerError('invalid-id', 'container id cannot be empty')
  if (!/^[\w+.-]{1,255}$/.test(id) || id === '.' || id === '..') {
    throw new ContainerError('invalid-id', 'invalid container ID format')
  }
}

/** True for a name that can be a container's. */
export function isId(name: string): boolean {
  return /^[\w+.-]{1,255}$/.test(name)
}

/** The state directory of one container, open; locked if the command changes the container. */
export class Store implements Disposable {
  readonly id: string
  readonly dir: Fd

  private constructor(id: string, dir: Fd) {
    this.id = id
    this.dir = dir
  }

  /**
   * Takes a new id: makes its directory, and the root if need be, and locks it.
   *
   * @throws {ContainerError} `exists`
   */
  static reserve(root: string, id: string): Store {
    checkId(id)
    for (;;) {
      // the modes are these, whatever the caller's umask (threat T-24)
      const umask = S(NR.umask, 0)
      try {
        makeContainerDirectory(root, id)
      } finally {
        S(NR.umask, umask)
      }
      const store = Store.lockIfThere(root, id)
      if (store !== undefined) return store
    }
  }

  /**
   * Opens and locks an existing container's directory; waits for commands under way on it.
   *
   * @throws {ContainerError} `not-found`
   */
  static lock(root: string, id: string): Store {
    return Store.lockAs(root, id, LOCK.EX)
  }

  /** As `lock`, for a command that leaves the container as it is: those do not wait for each other. */
  static share(root: string, id: string): Store {
    return Store.lockAs(root, id, LOCK.SH)
  }

  private static lockAs(root: string, id: string, operation: number): Store {
    checkId(id)
    const store = Store.lockIfThere(root, id, operation)
    if (store === undefined) throw new ContainerError('not-found', 'container does not exist')
    return store
  }

  /** Opens an existing container's directory to look at it, without waiting for anyone. */
  static open(root: string, id: string): Store {
    checkId(id)
    const dir = openDirectory(root, id)
    if (dir === undefined) throw new ContainerError('not-found', 'container does not exist')
    return new Store(id, dir)
  }

  private static lockIfThere(
    root: string,
    id: string,
    operation: number = LOCK.EX,
  ): Store | undefined {
    const dir = openDirectory(root, id)
    if (dir === undefined) return undefined
    flock(dir, operation)
    // who held the lock may have removed the directory
    if (fstat(dir).nlink > 0) return new Store(id, dir)
    dir.close()
    return undefined
  }

  /** Lets other commands act on the container. */
  unlock(): void {
    flock(this.dir, LOCK.UN)
  }

  /** Takes the lock again; false if the container was deleted meanwhile. */
  relock(): boolean {
    flock(this.dir, LOCK.EX)
    return fstat(this.dir).nlink > 0
  }

  /** @throws {ContainerError} `not-found` if no create came that far; `corrupt` */
  read(): State {
    let text: string
    try {
      text = readFile(this.dir, STATE)
    } catch (error) {
      if (isErrno(error, E.NOENT, E.NOTDIR)) {
        throw new ContainerError('not-found', 'container does not exist')
      }
      throw error
    }
    try {
      return expectState(JSON.parse(text), this.id)
    } catch (error) {
      const reason = messageOf(error)
      throw new ContainerError('corrupt', `state of container ${this.id} is corrupt: ${reason}`)
    }
  }

  /** Replaces state.json; readers see the old one or the new one, whole. */
  write(state: State): void {
    this.replace(STATE, JSON.stringify(state))
  }

  /** Keeps the bundle's configuration as it is now (M-003). */
  keepConfig(text: string): void {
    this.replace(CONFIG, text)
  }

  /** The text that `keepConfig` kept. */
  readConfig(): string {
    return readFile(this.dir, CONFIG, 64 << 20)
  }

  /** Keeps the resources that the container has after an update. */
  keepResources(text: string): void {
    this.replace(RESOURCES, text)
  }

  /** What `keepResources` kept; undefined before the first update. */
  readResources(): string | undefined {
    try {
      return readFile(this.dir, RESOURCES, 64 << 20)
    } catch (error) {
      if (isErrno(error, E.NOENT)) return undefined
      throw error
    }
  }

  private replace(name: string, text: string): void {
    const temporary = `${name}.new`
    {
      using file = open(this.dir, temporary, O.WRONLY | O.CREAT | O.TRUNC | O.NOFOLLOW, 0o600)
      writeAll(file, text)
    }
    rename(this.dir, temporary, name)
  }

  /** Makes the fifo that the container waits on, and opens it so that reading never ends. */
  makeFifo(): Fd {
    mknod(this.dir, FIFO, S_IF.FIFO | 0o600)
    return open(this.dir, FIFO, O.RDWR | O.NOFOLLOW)
  }

  /** Opens the fifo of a created container for writing. @throws {SyscallError} ENXIO: no one waits */
  openFifo(): Fd {
    return open(this.dir, FIFO, O.WRONLY | O.NONBLOCK | O.NOFOLLOW)
  }

  /** Opens the other end of the fifo, where the container tells start why its program does not run. */
  openFifoReader(): Fd {
    return open(this.dir, FIFO, O.RDONLY | O.NONBLOCK | O.NOFOLLOW)
  }

  /** From now on the container counts as started. */
  removeFifo(): void {
    unlink(this.dir, FIFO)
  }

  get hasFifo(): boolean {
    return statIfAny(this.dir, FIFO, false) !== undefined
  }

  /** User id of the directory's owner: who made the container. */
  get owner(): number {
    return fstat(this.dir).uid
  }

  /** Removes the directory with all that is in it. */
  remove(root: string): void {
    removeTree(this.dir)
    unlink(undefined, `${root}/${this.id}`, AT.REMOVEDIR)
  }

  [Symbol.dispose](): void {
    this.dir.close()
  }
}

function openDirectory(root: string, id: string): Fd | undefined {
  try {
    return open(undefined, `${root}/${id}`, O.RDONLY | O.DIRECTORY | O.NOFOLLOW)
  } catch (error) {
    if (isErrno(error, E.NOENT, E.NOTDIR, E.LOOP)) return undefined
    throw error
  }
}

function makeContainerDirectory(root: string, id: string): void {
  const path = `${root}/${id}`
  for (;;) {
    try {
      mkdir(undefined, path, CONTAINER_MODE)
      return
    } catch (error) {
      if (isErrno(error, E.EXIST)) {
        throw new ContainerError('exists', 'container with given ID already exists')
      }
      if (!isErrno(error, E.NOENT)) throw error
      makeRoot(root)
    }
  }
}

function makeRoot(root: string): void {
  let path = ''
  for (const name of root.split('/').filter(Boolean)) {
    path += `/${name}`
    try {
      mkdir(undefined, path, ROOT_MODE)
    } catch (error) {
      if (!isErrno(error, E.EXIST)) throw error
    }
  }
}

function removeTree(dir: Fd): void {
  for (const name of readDirectory(dir)) {
    const found = statIfAny(dir, name, false)
    if (found === undefined) continue
    if ((found.mode & S_IF.MT) !== S_IF.DIR) {
      unlink(dir, name)
      continue
    }
    {
      using below = open(dir, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW)
      removeTree(below)
    }
    unlink(dir, name, AT.REMOVEDIR)
  }
}

/** The ids below `root`, sorted; undefined when there is no such directory. */
export function listIds(root: string): string[] | undefined {
  let opened: Fd
  try {
    opened = open(undefined, root, O.RDONLY | O.DIRECTORY)
  } catch (error) {
    if (isErrno(error, E.NOENT)) return undefined
    throw error
  }
  using dir = opened
  return readDirectory(dir).filter(isId).sort()
}
