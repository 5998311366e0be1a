/**
 * The words of `mounts[].options`, sorted into what each asks for.
 *
 * @see runtime-spec config.md "Linux mount options", mount(8)
 */
import { MOUNT_ATTR, MS } from '../sys/mount.ts'

/** What a list of option words comes to. */
export interface MountOptions {
  /** `MS` flags asked for. */
  readonly set: number
  /** `MS` flags refused in so many words: `suid`, `rw`. */
  readonly clear: number
  readonly bind: boolean
  readonly recursive: boolean
  readonly remount: boolean
  /** Propagation changes in listed order: `MS.SHARED` and so on, with or without `MS.REC`. */
  readonly propagation: readonly number[]
  /** `MOUNT_ATTR` changes of the whole tree: `rro`, `rnosuid`. */
  readonly recursiveSet: number
  readonly recursiveClear: number
  readonly copyUp: boolean
  readonly idmap: 'idmap' | 'ridmap' | undefined
  /** Words for the file system itself. */
  readonly data: readonly string[]
}

/** Word: [flags set, flags cleared]. */
const FLAGS: Readonly<Record<string, readonly [number, number]>> = {
  async: [0, MS.SYNCHRONOUS],
  atime: [0, MS.NOATIME],
  dev: [0, MS.NODEV],
  diratime: [0, MS.NODIRATIME],
  dirsync: [MS.DIRSYNC, 0],
  exec: [0, MS.NOEXEC],
  iversion: [MS.I_VERSION, 0],
  lazytime: [MS.LAZYTIME, 0],
  loud: [0, MS.SILENT],
  mand: [MS.MANDLOCK, 0],
  noatime: [MS.NOATIME, 0],
  nodev: [MS.NODEV, 0],
  nodiratime: [MS.NODIRATIME, 0],
  noexec: [MS.NOEXEC, 0],
  noiversion: [0, MS.I_VERSION],
  nolazytime: [0, MS.LAZYTIME],
  nomand: [0, MS.MANDLOCK],
  norelatime: [0, MS.RELATIME],
  nostrictatime: [0, MS.STRICTATIME],
  nosuid: [MS.NOSUID, 0],
  nosymfollow: [MS.NOSYMFOLLOW, 0],
  relatime: [MS.RELATIME, 0],
  ro: [MS.RDONLY, 0],
  rw: [0, MS.RDONLY],
  silent: [MS.SILENT, 0],
  strictatime: [MS.STRICTATIME, 0],
  suid: [0, MS.NOSUID],
  symfollow: [0, MS.NOSYMFOLLOW],
  sync: [MS.SYNCHRONOUS, 0],
}

/** Propagation types by name, as `MS` values. @see mount_namespaces(7) */
export const PROPAGATION: Readonly<Record<string, number>> = {
  private: MS.PRIVATE,
  shared: MS.SHARED,
  slave: MS.SLAVE,
  unbindable: MS.UNBINDABLE,
  rprivate: MS.PRIVATE | MS.REC,
  rshared: MS.SHARED | MS.REC,
  rslave: MS.SLAVE | MS.REC,
  runbindable: MS.UNBINDABLE | MS.REC,
}

/**
 * Word: [attributes set, attributes cleared] in the whole tree. A new access time mode must clear
 * the whole field first (mount_setattr(2)).
 */
const RECURSIVE: Readonly<Record<string, readonly [number, number]>> = {
  rro: [MOUNT_ATTR.RDONLY, 0],
  rrw: [0, MOUNT_ATTR.RDONLY],
  rnosuid: [MOUNT_ATTR.NOSUID, 0],
  rsuid: [0, MOUNT_ATTR.NOSUID],
  rnodev: [MOUNT_ATTR.NODEV, 0],
  rdev: [0, MOUNT_ATTR.NODEV],
  rnoexec: [MOUNT_ATTR.NOEXEC, 0],
  rexec: [0, MOUNT_ATTR.NOEXEC],
  rnodiratime: [MOUNT_ATTR.NODIRATIME, 0],
  rdiratime: [0, MOUNT_ATTR.NODIRATIME],
  rnosymfollow: [MOUNT_ATTR.NOSYMFOLLOW, 0],
  rsymfollow: [0, MOUNT_ATTR.NOSYMFOLLOW],
  rrelatime: [MOUNT_ATTR.RELATIME, MOUNT_ATTR.ATIME],
  rnorelatime: [MOUNT_ATTR.RELATIME, MOUNT_ATTR.ATIME],
  rnoatime: [MOUNT_ATTR.NOATIME, MOUNT_ATTR.ATIME],
  ratime: [MOUNT_ATTR.RELATIME, MOUNT_ATTR.ATIME],
  rstrictatime: [MOUNT_ATTR.STRICTATIME, MOUNT_ATTR.ATIME],
  rnostrictatime: [MOUNT_ATTR.RELATIME, MOUNT_ATTR.ATIME],
}

/**
 * Sorts option words; unknown ones are the file system's own. One string may hold several words
 * with commas between them, as mount(8) takes them.
 */
export function parseMountOptions(words: readonly string[] = []): MountOptions {
  let set = 0
  let clear = 0
  let bind = false
  let recursive = false
  let remount = false
  let recursiveSet = 0
  let recursiveClear = 0
  let copyUp = false
  let idmap: MountOptions['idmap']
  const propagation: number[] = []
  const data: string[] = []
  for (const word of words.flatMap(splitWords)) {
    const flags = own(FLAGS, word)
    const tree = own(RECURSIVE, word)
    const spread = own(PROPAGATION, word)
    if (flags !== undefined) {
      // of a pair the later word counts
      set = (set & ~flags[1]) | flags[0]
      clear = (clear & ~flags[0]) | flags[1]
    } else if (tree !== undefined) {
      recursiveSet = (recursiveSet & ~tree[1]) | tree[0]
      recursiveClear = (recursiveClear & ~tree[0]) | tree[1]
    } else if (spread !== undefined) propagation.push(spread)
    else if (word === 'bind') bind = true
    else if (word === 'rbind') bind = recursive = true
    else if (word === 'remount') remount = true
    else if (word === 'tmpcopyup') copyUp = true
    else if (word === 'idmap' || word === 'ridmap') idmap = word
    else if (word !== 'defaults' && word !== '') data.push(word)
  }
  return {
    set,
    clear,
    bind,
    recursive,
    remount,
    propagation,
    recursiveSet,
    recursiveClear,
    copyUp,
    idmap,
    data,
  }
}

/** At commas, but not at escaped ones (overlay paths) or in quotes (SELinux contexts). */
function splitWords(words: string): readonly string[] {
  if (!words.includes(',')) return [words]
  return words.match(/(?:"[^"]*"|\\.|[^,])+/gs) ?? []
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}

/** What a remount must set to change access times at all: clearing one of these changes nothing. */
const ATIME_WORDS = MS.NOATIME | MS.NODIRATIME | MS.RELATIME | MS.STRICTATIME
const PAIRS: readonly (readonly [number, number])[] = [
  [MS.RDONLY, MOUNT_ATTR.RDONLY],
  [MS.NOSUID, MOUNT_ATTR.NOSUID],
  [MS.NODEV, MOUNT_ATTR.NODEV],
  [MS.NOEXEC, MOUNT_ATTR.NOEXEC],
  [MS.NODIRATIME, MOUNT_ATTR.NODIRATIME],
  [MS.NOSYMFOLLOW, MOUNT_ATTR.NOSYMFOLLOW],
]

/** `MS` flags as the `MOUNT_ATTR` values of one mount; access time defaults to relatime, as in mount(2). */
export function attributesOf(flags: number): number {
  let attributes = 0
  for (const [ms, attribute] of PAIRS) if ((flags & ms) !== 0) attributes |= attribute
  // of the two, mount(2) lets strictatime win
  if ((flags & MS.STRICTATIME) !== 0) attributes |= MOUNT_ATTR.STRICTATIME
  else if ((flags & MS.NOATIME) !== 0) attributes |= MOUNT_ATTR.NOATIME
  return attributes
}

/**
 * What a bind mount's own words change: nothing if there are none, so that the source's flags
 * stay; otherwise exactly the words' flags, with access time kept unless a word sets a mode of it
 * (`atime` and `norelatime` set none), as remounting with mount(2) does. With `remount` the words
 * come on top of the source's flags.
 */
export function bindAttributes(options: MountOptions): { set: number; clear: number } | undefined {
  if (options.set === 0 && options.clear === 0) return undefined
  const set = attributesOf(options.set)
  const timed = (options.set & ATIME_WORDS) !== 0
  let clear = 0
  for (const [ms, attribute] of PAIRS) {
    const spoken = options.remount ? (options.clear & ms) !== 0 : (options.set & ms) === 0
    if (attribute === MOUNT_ATTR.NODIRATIME && !timed) continue
    if (spoken) clear |= attribute
  }
  if (timed) clear |= MOUNT_ATTR.ATIME
  return { set, clear }
}

/** The words that belong to the superblock, for fsconfig(2), which knows no others of this kind. */
export function superblockOptions(options: MountOptions): string[] {
  const words: string[] = []
  if ((options.set & MS.SYNCHRONOUS) !== 0) words.push('sync')
  if ((options.set & MS.DIRSYNC) !== 0) words.push('dirsync')
  if ((options.set & MS.MANDLOCK) !== 0) words.push('mand')
  if ((options.set & MS.LAZYTIME) !== 0) words.push('lazytime')
  return words
}
