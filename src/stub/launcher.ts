/**
 * The launcher: the static program that users call as `tsrun`. It executes the engine beside it,
 *
 * - with descriptors 0 to 2 open, on /dev/null where the caller had closed them;
 * - with the caller's environment less what an engine built on Bun and glibc would obey
 *   (`DROPPED`), plus what the engine needs (`TSRUN_NOFILE`, `TSRUN_LIB`, `TSRUN_MOUNT`,
 *   `TSRUN_FREE`, `SWITCHES`);
 * - from a detached read-only mount of its directory, so that nobody who finds it under
 *   /proc/PID/exe can write it (CVE-2019-5736); the descriptor of that mount, for the addon, is
 *   left open and named in `TSRUN_MOUNT`. Where the kernel or the caller's rights do not allow
 *   that, by its path.
 *
 * Arguments stay as they are. A failure is one line on descriptor 2 and exit status 127.
 */

import { assemble } from './assemble.ts'
import { CODE_BASE, headerSize, writeElf } from './elf.ts'
import {
  add,
  address,
  branchIf,
  branchIfError,
  call,
  constant,
  type Instruction,
  jump,
  label,
  load,
  loadByte,
  type Machine,
  move,
  store,
  storeByte,
  systemCall,
} from './instructions.ts'
import { launcherData } from './launcher-data.ts'
import { failure, subroutines } from './launcher-failure.ts'
import {
  CALLS,
  type Calls,
  ENGINE,
  ENVIRONMENT,
  FRAME_SIZE,
  FREE,
  frame,
  LIBRARY,
  LIMIT,
  MOUNT,
  MOUNT_ATTRIBUTES,
  NOFILE,
  PATH_MAX,
} from './launcher-frame.ts'

/** Variables in front of the caller's: NOFILE, LIBRARY, MOUNT, FREE, the switches; more than there are. */
const OWN_VARIABLES = 16

const AT_FDCWD = -100
const AT_EMPTY_PATH = 0x1000
const F_GETFD = 1
const F_DUPFD_CLOEXEC = 1030
const O_RDWR = 2
/** The first descriptor behind the standard streams. */
const FIRST_FREE = 3
const RLIMIT_NOFILE = 7
const OPEN_TREE_CLONE = 1
const MOUNT_ATTR_RDONLY = 1
const MOUNT_ATTR_SIZE = 32
const SLASH = 47
const ENOENT = 2

/** v4 = the result of the call before; if it is an error, ends with the message `text`. */
function orFail(text: string): Instruction[] {
  return [move('v4', 'result'), address('v3', text), ...branchIfError('v4', 'fail')]
}

/** v0 = address of argc, v5 = frame, v2 = nothing for a failure to name. */
function enter(): Instruction[] {
  return [
    { op: 'get-stack-pointer', to: 'v0' },
    move('v5', 'v0'),
    constant('t0', FRAME_SIZE),
    { op: 'subtract-register', to: 'v5', from: 't0' },
    { op: 'and', to: 'v5', mask: -16 },
    { op: 'set-stack-pointer', from: 'v5' },
    address('v2', 'nothing'),
  ]
}

/** The lowest free descriptor is the missing one: all below it are open by then. */
function openStandardDescriptors(calls: Calls): Instruction[] {
  return [
    constant('v1', 0),
    label('descriptor'),
    move('a0', 'v1'),
    constant('a1', F_GETFD),
    ...systemCall(calls.fcntl),
    ...branchIf('result', 'below', -4095, 'descriptor is open'),
    constant('a0', AT_FDCWD),
    address('a1', '/dev/null'),
    constant('a2', O_RDWR),
    ...systemCall(calls.openat),
    ...orFail('cannot open /dev/null'),
    label('descriptor is open'),
    add('v1', 1),
    ...branchIf('v1', 'not-equal', FIRST_FREE, 'descriptor'),
  ]
}

/**
 * Makes `TSRUN_FREE=<number>`, 16 hexadecimal digits: the lowest descriptor that is not the caller's.
 * The engine could not tell its own from those that the caller has opened.
 */
function findFreeDescriptor(calls: Calls): Instruction[] {
  return [
    constant('a0', 0),
    constant('a1', F_DUPFD_CLOEXEC),
    constant('a2', FIRST_FREE),
    ...systemCall(calls.fcntl),
    ...orFail('cannot duplicate a descriptor'),
    move('v1', 'v4'),
    ...frame('a0', FREE),
    address('a1', 'TSRUN_FREE='),
    call('append'),
    call('append hexadecimal'),
  ]
}

/** Makes `TSRUN_LIB=<directory>` and the path of the engine. */
function findEngine(calls: Calls): Instruction[] {
  return [
    ...frame('a0', LIBRARY),
    address('a1', 'TSRUN_LIB='),
    call('append'),
    move('v1', 'a0'),
    constant('a0', AT_FDCWD),
    address('a1', '/proc/self/exe'),
    move('a2', 'v1'),
    constant('a3', PATH_MAX),
    ...systemCall(calls.readlinkat),
    ...orFail('cannot read /proc/self/exe'),
    // v4 bytes at v1; a path that does not begin with / lies outside of this root directory
    move('a0', 'v1'),
    { op: 'add-register', to: 'a0', from: 'v4' },
    constant('v4', -ENOENT),
    loadByte('t0', 'v1'),
    ...branchIf('t0', 'not-equal', SLASH, 'fail'),
    label('find directory'),
    add('a0', -1),
    loadByte('t0', 'a0'),
    ...branchIf('t0', 'not-equal', SLASH, 'find directory'),
    constant('t0', 0),
    storeByte('t0', 'a0'),
    ...frame('a0', ENGINE),
    move('a1', 'v1'),
    call('append'),
    address('a1', '/tsrun.engine'),
    call('append'),
  ]
}

/** Makes `TSRUN_NOFILE=<soft>:<hard>`, 16 hexadecimal digits each. */
function describeLimit(calls: Calls): Instruction[] {
  return [
    constant('a0', 0),
    constant('a1', RLIMIT_NOFILE),
    constant('a2', 0),
    ...frame('a3', LIMIT),
    ...systemCall(calls.prlimit64),
    ...orFail('cannot read RLIMIT_NOFILE'),
    ...frame('a0', NOFILE),
    address('a1', 'TSRUN_NOFILE='),
    call('append'),
    load('v1', 'v5', LIMIT),
    call('append hexadecimal'),
    address('a1', 'colon'),
    call('append'),
    load('v1', 'v5', LIMIT + 8),
    call('append hexadecimal'),
  ]
}

/** Makes `TSRUN_MOUNT=<number in v1>`, 16 hexadecimal digits; all f for no mount. */
function nameMount(): Instruction[] {
  return [
    ...frame('a0', MOUNT),
    address('a1', 'TSRUN_MOUNT='),
    call('append'),
    call('append hexadecimal'),
  ]
}

/** v1 = the new environment, on the stack; it begins with the launcher's own variables. */
function beginEnvironment(): Instruction[] {
  return [
    // v3 = the caller's environment, behind argc and argv; v4 = its end
    load('v3', 'v0'),
    { op: 'shift-left', to: 'v3', by: 3 },
    { op: 'add-register', to: 'v3', from: 'v0' },
    add('v3', 16),
    move('v4', 'v3'),
    label('find end of environment'),
    load('t0', 'v4'),
    add('v4', 8),
    ...branchIf('t0', 'not-equal', 0, 'find end of environment'),
    move('v1', 'v5'),
    { op: 'subtract-register', to: 'v1', from: 'v4' },
    { op: 'add-register', to: 'v1', from: 'v3' },
    add('v1', -8 * OWN_VARIABLES),
    { op: 'and', to: 'v1', mask: -16 },
    { op: 'set-stack-pointer', from: 'v1' },
    // v2 = where the next variable goes
    move('v2', 'v1'),
    ...frame('t0', NOFILE),
    store('t0', 'v2', 0),
    ...frame('t0', LIBRARY),
    store('t0', 'v2', 8),
    ...frame('t0', MOUNT),
    store('t0', 'v2', 16),
    ...frame('t0', FREE),
    store('t0', 'v2', 24),
    add('v2', 32),
    address('a1', 'switches'),
    label('next switch'),
    loadByte('t0', 'a1'),
    ...branchIf('t0', 'equal', 0, 'next variable'),
    store('a1', 'v2'),
    add('v2', 8),
    label('find end of switch'),
    loadByte('t0', 'a1'),
    add('a1', 1),
    ...branchIf('t0', 'not-equal', 0, 'find end of switch'),
    jump('next switch'),
  ]
}

/** Adds the caller's variables that begin with none of the dropped prefixes. */
function filterEnvironment(): Instruction[] {
  return [
    label('next variable'),
    load('v4', 'v3'),
    add('v3', 8),
    ...branchIf('v4', 'equal', 0, 'end of environment'),
    address('a0', 'dropped'),
    label('next prefix'),
    move('a1', 'v4'),
    label('compare'),
    loadByte('t0', 'a0'),
    ...branchIf('t0', 'equal', 0, 'next variable'),
    loadByte('t1', 'a1'),
    add('a0', 1),
    add('a1', 1),
    ...branchIf('t0', 'equal', 't1', 'compare'),
    label('find end of prefix'),
    loadByte('t0', 'a0'),
    add('a0', 1),
    ...branchIf('t0', 'not-equal', 0, 'find end of prefix'),
    loadByte('t0', 'a0'),
    ...branchIf('t0', 'not-equal', 0, 'next prefix'),
    store('v4', 'v2'),
    add('v2', 8),
    jump('next variable'),
    label('end of environment'),
    store('v4', 'v2'),
  ]
}

/** v3 = descriptor of a detached read-only mount of the directory, or v4 = why there is none. */
function mountDirectory(calls: Calls): Instruction[] {
  return [
    constant('a0', AT_FDCWD),
    ...frame('a1', LIBRARY + 'TSRUN_LIB='.length),
    constant('a2', OPEN_TREE_CLONE),
    ...systemCall(calls.openTree),
    move('v4', 'result'),
    ...branchIfError('v4', 'refused'),
    move('v3', 'v4'),
    // Only read-only: that forbids a change of mode too, while nosuid would also keep SELinux from
    // changing domains.
    constant('t0', MOUNT_ATTR_RDONLY),
    store('t0', 'v5', MOUNT_ATTRIBUTES),
    constant('t0', 0),
    store('t0', 'v5', MOUNT_ATTRIBUTES + 8),
    store('t0', 'v5', MOUNT_ATTRIBUTES + 16),
    store('t0', 'v5', MOUNT_ATTRIBUTES + 24),
    move('a0', 'v3'),
    address('a1', 'nothing'),
    constant('a2', AT_EMPTY_PATH),
    ...frame('a3', MOUNT_ATTRIBUTES),
    constant('a4', MOUNT_ATTR_SIZE),
    ...systemCall(calls.mountSetattr),
    move('v4', 'result'),
    ...branchIfError('v4', 'refused'),
  ]
}

/** Leaves v4 = why the mount or the execution from it was refused, v2 = path of the engine. */
function executeFromMount(calls: Calls): Instruction[] {
  return [
    ...frame('v2', ENGINE),
    ...mountDirectory(calls),
    store('v1', 'v5', ENVIRONMENT),
    move('v1', 'v3'),
    ...nameMount(),
    load('v1', 'v5', ENVIRONMENT),
    move('a0', 'v3'),
    address('a1', 'tsrun.engine'),
    move('a2', 'v0'),
    add('a2', 8),
    move('a3', 'v1'),
    constant('a4', 0),
    ...systemCall(calls.execveat),
    move('v4', 'result'),
    label('refused'),
  ]
}

/** Executes by path if the mount was refused for want of rights or of the system call. */
function executeByPath(calls: Calls): Instruction[] {
  const EPERM = 1
  const EACCES = 13
  const EINVAL = 22
  const ENOSYS = 38
  return [
    address('v3', 'cannot execute'),
    ...branchIf('v4', 'equal', -EPERM, 'execute by path'),
    ...branchIf('v4', 'equal', -EACCES, 'execute by path'),
    ...branchIf('v4', 'equal', -EINVAL, 'execute by path'),
    ...branchIf('v4', 'not-equal', -ENOSYS, 'fail'),
    label('execute by path'),
    move('a0', 'v2'),
    move('a1', 'v0'),
    add('a1', 8),
    move('a2', 'v1'),
    ...systemCall(calls.execve),
    move('v4', 'result'),
  ]
}

/** The launcher for `machine`, as the bytes of an ELF file. */
export function buildLauncher(machine: Machine): Uint8Array {
  const calls = CALLS[machine]
  const program = [
    ...enter(),
    ...openStandardDescriptors(calls),
    ...findFreeDescriptor(calls),
    ...findEngine(calls),
    ...describeLimit(calls),
    constant('v1', -1),
    ...nameMount(),
    ...beginEnvironment(),
    ...filterEnvironment(),
    ...executeFromMount(calls),
    ...executeByPath(calls),
    ...failure(calls),
    ...subroutines(),
    ...launcherData(),
  ]
  const { code } = assemble(machine, program, CODE_BASE + headerSize(false))
  return writeElf(machine, code, false)
}
