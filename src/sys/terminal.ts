/** Terminals and pseudo-terminals. @see ioctl_tty(2), pty(7), termios(3) */
import { check, isErrno } from './check.ts'
import { E } from './errno.ts'
import { Fd } from './fd.ts'
import { S } from './ffi.ts'
import { fstat, fstatfs, O, open, S_IF } from './file.ts'
import { alloc, arena, at, room, view } from './memory.ts'
import { NR } from './numbers.ts'

/** Requests of ioctl_tty(2), the same on x86-64 and aarch64. */
const REQUEST = {
  TCGETS: 0x5401,
  TCSETS: 0x5402,
  TIOCSCTTY: 0x540e,
  TIOCGPGRP: 0x540f,
  TIOCGWINSZ: 0x5413,
  TIOCSWINSZ: 0x5414,
  TIOCSPTLCK: 0x40045431,
  TIOCGPTPEER: 0x5441,
} as const

function control(fd: Fd, request: keyof typeof REQUEST, argument: number): number {
  const result = S(NR.ioctl, fd.number, REQUEST[request], argument)
  return check('ioctl', `${request} ${fd.label}`, result)
}

const DEVPTS_SUPER_MAGIC = 0x1cd1
const PTMX = { major: 5, minor: 2 } as const
/** Major numbers of pseudo-terminals. @see pts(4) */
const PTS_MAJORS = { first: 136, last: 143 } as const

/** The two ends of a pseudo-terminal. */
export interface Pty {
  /** What a terminal emulator holds. */
  readonly master: Fd
  /** What programs have as their terminal. */
  readonly peer: Fd
}

/**
 * Makes a pseudo-terminal in the devpts file system mounted at `devpts`. Nothing is opened before
 * it is known to be one, and no path leads to the peer (threat T-05).
 *
 * @throws {Error} if `devpts` is another file system, or something else is mounted on its ptmx;
 *   {SyscallError} ENOSPC when there are too many; ENOTTY before Linux 4.13
 * @see TIOCGPTPEER(2const)
 */
export function openPty(devpts: Fd): Pty {
  if (fstatfs(devpts).type !== DEVPTS_SUPER_MAGIC) {
    throw new Error(`${devpts.label} is not a devpts file system`)
  }
  const master = openMaster(devpts)
  try {
    control(master, 'TIOCSPTLCK', at(alloc(8)))
    const number = control(master, 'TIOCGPTPEER', O.RDWR | O.NOCTTY | O.CLOEXEC)
    const peer = new Fd(number, `terminal of ${devpts.label}`)
    if (isPty(peer)) return { master, peer }
    peer.close()
    throw new Error(`${master.label} did not give a pseudo-terminal`)
  } catch (error) {
    master.close()
    throw error
  }
}

/** Looked at before it is opened, and again: who shares the mount namespace may have covered it. */
function openMaster(devpts: Fd): Fd {
  const flags = O.NOFOLLOW | O.NOCTTY
  using node = open(devpts, 'ptmx', O.PATH | flags)
  expectPtmx(node)
  const master = open(devpts, 'ptmx', O.RDWR | flags)
  try {
    expectPtmx(master)
  } catch (error) {
    master.close()
    throw error
  }
  return master
}

function expectPtmx(fd: Fd): void {
  const { mode, rdevMajor, rdevMinor } = fstat(fd)
  const isNode = (mode & S_IF.MT) === S_IF.CHR
  const isPtmx = isNode && rdevMajor === PTMX.major && rdevMinor === PTMX.minor
  if (isPtmx && fstatfs(fd).type === DEVPTS_SUPER_MAGIC) return
  throw new Error(`${fd.label} is not the device ${PTMX.major}:${PTMX.minor}`)
}

/** True for a terminal that a devpts file system gave. */
export function isPty(fd: Fd): boolean {
  const { mode, rdevMajor } = fstat(fd)
  return (
    (mode & S_IF.MT) === S_IF.CHR &&
    rdevMajor >= PTS_MAJORS.first &&
    rdevMajor <= PTS_MAJORS.last &&
    fstatfs(fd).type === DEVPTS_SUPER_MAGIC
  )
}

/** In characters. */
export interface TerminalSize {
  readonly height: number
  readonly width: number
}

/** @throws {SyscallError} ENOTTY @see TIOCGWINSZ(2const) */
export function terminalSize(fd: Fd): TerminalSize {
  const size = room(8)
  control(fd, 'TIOCGWINSZ', at(size))
  return { height: view.getUint16(size, true), width: view.getUint16(size + 2, true) }
}

/** The foreground processes get SIGWINCH if it changes. @see TIOCSWINSZ(2const) */
export function setTerminalSize(fd: Fd, { height, width }: TerminalSize): void {
  const size = alloc(8)
  view.setUint16(size, height, true)
  view.setUint16(size + 2, width, true)
  control(fd, 'TIOCSWINSZ', at(size))
}

/**
 * Makes a terminal the controlling one of this session, and this process group its foreground.
 *
 * @throws {SyscallError} EPERM if this process leads no session, or the terminal has one already
 * @see TIOCSCTTY(2const)
 */
export function setControllingTerminal(fd: Fd): void {
  control(fd, 'TIOCSCTTY', 0)
}

/** The process group in the foreground; through the master too. @see TIOCGPGRP(2const) */
export function foregroundGroup(fd: Fd): number {
  const group = alloc(8)
  control(fd, 'TIOCGPGRP', at(group))
  return view.getInt32(group, true)
}

/** struct termios of the kernel: four words of flags, the line discipline, the characters. */
export type Termios = Uint8Array
const TERMIOS_SIZE = 36
const CONTROL_CHARACTERS = 17
const VTIME = CONTROL_CHARACTERS + 5
const VMIN = CONTROL_CHARACTERS + 6

/** The settings of a terminal. @throws {SyscallError} ENOTTY @see TCGETS(2const) */
export function getTermios(fd: Fd): Termios {
  const settings = alloc(TERMIOS_SIZE)
  control(fd, 'TCGETS', at(settings))
  return Uint8Array.from(arena.subarray(settings, settings + TERMIOS_SIZE))
}

/** Changes the settings at once. @see TCSETS(2const) */
export function setTermios(fd: Fd, settings: Termios): void {
  const buffer = room(TERMIOS_SIZE)
  arena.set(settings, buffer)
  control(fd, 'TCSETS', at(buffer))
}

/** True if `fd` is a terminal. */
export function isTerminal(fd: Fd): boolean {
  try {
    getTermios(fd)
    return true
  } catch (error) {
    if (isErrno(error, E.NOTTY, E.INVAL, E.IO, E.BADF)) return false
    throw error
  }
}

/** IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON */
const COOKED_INPUT = 0o2753
const ONLCR = 0o4
const CSIZE_PARENB = 0o460
const CS8 = 0o60
/** ISIG ICANON ECHO ECHONL IEXTEN */
const COOKED_LOCAL = 0o100113

/** @returns a copy with flag words changed: input, output, control, local */
function changed(settings: Termios, change: (word: number, index: number) => number): Termios {
  const copy = Uint8Array.from(settings)
  const words = new DataView(copy.buffer)
  for (let i = 0; i < 4; i++) {
    words.setUint32(i * 4, change(words.getUint32(i * 4, true), i) >>> 0, true)
  }
  return copy
}

/**
 * The settings with which every key arrives as it was typed. Output is still processed: a newline
 * begins a line, who ever writes it. @see cfmakeraw(3)
 */
export function rawInput(settings: Termios): Termios {
  const cleared = [COOKED_INPUT, 0, CSIZE_PARENB, COOKED_LOCAL]
  const raw = changed(settings, (word, i) => (word & ~(cleared[i] ?? 0)) | (i === 2 ? CS8 : 0))
  raw[VMIN] = 1
  raw[VTIME] = 0
  return raw
}

/** The settings with which a newline is written as it is. */
export function withoutNewlineMapping(settings: Termios): Termios {
  return changed(settings, (word, i) => (i === 1 ? word & ~ONLCR : word))
}
