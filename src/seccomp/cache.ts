/**
 * Compiled programs, kept below the state root under a hash of what they are made from. That text
 * is in the file, too, and compared whole: the hash only has to find it. What is not exactly as it
 * was written is not used; neither is a directory or a file that somebody else could have written.
 */
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import {
  chmod,
  fstat,
  mkdir,
  O,
  open,
  readBytes,
  readDirectory,
  rename,
  S_IF,
  type Stat,
  statIfAny,
  unlink,
  writeBytes,
} from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'

/** No container's name: of an id `@` cannot be part. */
const DIRECTORY = '@seccomp'

/** How much is kept at most; when there is no room, others make it. */
export const MOST_ENTRIES = 64
export const MOST_BYTES: number = 4 << 20
/** A program of BPF_MAXINSNS instructions takes 32 KB; most of the rest are names. */
const LARGEST = 256 << 10

/**
 * "TSBF", and the version of this layout: these, then the lengths of key, library, program and its
 * copy, as 32-bit words, then these four.
 */
const MAGIC = [0x5453_4246, 1] as const
const HEADER = 24
const INSTRUCTION_SIZE = 8

/** What a program was compiled from. */
export interface CacheKey {
  /** All that it depends on, but the library. */
  readonly text: string
  /** Which library; undefined: there is none any more, so what any has compiled will do. */
  readonly library: string | undefined
}

/** The program kept for `key` below a state root; undefined if there is none that can be trusted. */
export function readCached(root: string, { text, library }: CacheKey): Uint8Array | undefined {
  try {
    using dir = openDirectory(root)
    if (dir === undefined) return undefined
    const key = Buffer.from(text)
    const bytes = readTrusted(dir, nameOf(key))
    return bytes && programIn(bytes, key, library)
  } catch {
    // whatever is the matter with it, there is a way without
    return undefined
  }
}

/**
 * Keeps a program, in the place of one of the same text.
 *
 * @throws {SyscallError} ENOSPC, EROFS ...; then the cache is as it was
 */
export function writeCached(root: string, { text, library }: CacheKey, program: Uint8Array): void {
  const key = Buffer.from(text)
  const bytes = entryOf(key, Buffer.from(library ?? ''), program)
  if (bytes.length > LARGEST) return
  makeDirectory(root)
  using dir = openDirectory(root)
  if (dir === undefined) return
  const name = nameOf(key)
  makeRoom(dir, bytes.length)
  const temporary = `${name}.${S(NR.getpid)}`
  try {
    {
      using file = createFile(dir, temporary)
      writeBytes(file, bytes)
    }
    rename(dir, temporary, name)
  } catch (error) {
    unlinkIfAny(dir, temporary)
    throw error
  }
}

function isOurs({ uid, mode }: Stat): boolean {
  return (uid === 0 || uid === S(NR.geteuid)) && (mode & 0o077) === 0
}

function openDirectory(root: string): Fd | undefined {
  let dir: Fd
  try {
    dir = open(undefined, `${root}/${DIRECTORY}`, O.RDONLY | O.DIRECTORY | O.NOFOLLOW)
  } catch (error) {
    if (isErrno(error, E.NOENT, E.NOTDIR, E.LOOP)) return undefined
    throw error
  }
  if (isOurs(fstat(dir))) return dir
  dir.close()
  return undefined
}

function makeDirectory(root: string): void {
  const umask = S(NR.umask, 0)
  try {
    mkdir(undefined, `${root}/${DIRECTORY}`, 0o700)
  } catch (error) {
    if (!isErrno(error, E.EXIST)) throw error
  } finally {
    S(NR.umask, umask)
  }
}

/** The bytes of a file that nobody else could have written; undefined if it is none. */
function readTrusted(dir: Fd, name: string): Uint8Array | undefined {
  using file = open(dir, name, O.RDONLY | O.NOFOLLOW | O.NONBLOCK | O.NOCTTY)
  const found = fstat(file)
  const isPlain = (found.mode & S_IF.MT) === S_IF.REG && found.nlink === 1
  if (!isPlain || !isOurs(found) || found.size > LARGEST) return undefined
  return readBytes(file, found.size)
}

function createFile(dir: Fd, name: string): Fd {
  const create = () => open(dir, name, O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, 0o600)
  let file: Fd
  try {
    file = create()
  } catch (error) {
    if (!isErrno(error, E.EXIST)) throw error
    // of one with the same process id that was killed
    unlink(dir, name)
    file = create()
  }
  chmod(file, 0o600)
  return file
}

function unlinkIfAny(dir: Fd, name: string): void {
  try {
    unlink(dir, name)
  } catch (error) {
    if (!isErrno(error, E.NOENT)) throw error
  }
}

/** Removes files, in no particular order, until there is room for one more of `size` bytes. */
function makeRoom(dir: Fd, size: number): void {
  const names = readDirectory(dir)
  const sizes = names.map((name) => statIfAny(dir, name, false)?.size ?? 0)
  let bytes = sizes.reduce((sum, one) => sum + one, size)
  let count = names.length + 1
  for (const [i, name] of names.entries()) {
    if (count <= MOST_ENTRIES && bytes <= MOST_BYTES) return
    unlinkIfAny(dir, name)
    bytes -= sizes[i] ?? 0
    count--
  }
}

function entryOf(key: Uint8Array, library: Uint8Array, program: Uint8Array): Uint8Array {
  const control = Buffer.from(controlOf(program), 'latin1')
  const parts = [key, library, program, control]
  const bytes = Buffer.concat([new Uint8Array(HEADER), ...parts])
  const words = [...MAGIC, ...parts.map(({ length }) => length)]
  for (const [i, word] of words.entries()) bytes.writeUInt32LE(word, i * 4)
  return bytes
}

/**
 * A second copy, in other bytes. It finds damage, not malice: who may write here may write anything.
 * Comparing two copies is done by the engine, in microseconds; a checksum would be by our code.
 */
function controlOf(program: Uint8Array): string {
  return Buffer.from(program.buffer, program.byteOffset, program.length).toString('base64')
}

/** The program of an entry, if the entry is whole and for this key. */
function programIn(
  bytes: Uint8Array,
  key: Uint8Array,
  library: string | undefined,
): Uint8Array | undefined {
  if (bytes.length < HEADER) return undefined
  const entry = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const word = (index: number) => entry.readUInt32LE(index * 4)
  const libraryAt = HEADER + word(2)
  const programAt = libraryAt + word(3)
  const controlAt = programAt + word(4)
  const isWhole =
    word(0) === MAGIC[0] &&
    word(1) === MAGIC[1] &&
    controlAt + word(5) === entry.length &&
    word(4) > 0 &&
    word(4) % INSTRUCTION_SIZE === 0
  if (!isWhole || Buffer.compare(entry.subarray(HEADER, libraryAt), key) !== 0) return undefined
  if (library !== undefined && entry.toString('utf8', libraryAt, programAt) !== library) {
    return undefined
  }
  // at the beginning of memory of its own: what goes to the kernel is aligned
  const program = bytes.slice(programAt, controlAt)
  return controlOf(program) === entry.toString('latin1', controlAt) ? program : undefined
}

/** Words at either end of a key that its name depends on; of those between, one in `STRIDE`. */
const DENSE = 64
const STRIDE = 4

/**
 * Two keys of one name cost time, and nothing else: so it is a cheap hash of the length and of some
 * of the words.
 */
function nameOf(key: Uint8Array): string {
  const words = new Uint32Array((key.length + 3) >>> 2)
  new Uint8Array(words.buffer).set(key)
  let sum = key.length
  const tail = words.length - DENSE
  for (let i = 0; i < words.length; i += i < DENSE || i >= tail ? 1 : STRIDE) {
    sum = Math.imul(sum ^ (words[i] ?? 0), 0x9e37_79b1)
    sum ^= sum >>> 15
  }
  const hex = (word: number) => (word >>> 0).toString(16).padStart(8, '0')
  return `${hex(sum)}${hex(key.length)}`
}
