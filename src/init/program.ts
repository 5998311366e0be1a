/**
 * Finds out, inside the container and as its user, what only its own root file system can tell:
 * the home directory, the working directory, the program.
 */
import { messageOf } from '../base/errors.ts'
import { capabilityWords } from '../plan/capabilities.ts'
import type { ProcessPlan } from '../plan/process-plan.ts'
import { openInRoot, type Root } from '../rootfs/resolve.ts'
import { check, failure, isErrno } from '../sys/check.ts'
import { setEffectiveCapabilities, setGroups } from '../sys/credentials.ts'
import { E, errnoText } from '../sys/errno.ts'
import { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import {
  AT,
  fstat,
  O,
  open,
  openat2,
  RESOLVE,
  readText,
  S_IF,
  statIfAny,
  workingDirectory,
} from '../sys/file.ts'
import { str } from '../sys/memory.ts'
import { NR } from '../sys/numbers.ts'

const PASSWD_MOST = 8 << 20

/** The environment with HOME: as configured, or from the container's /etc/passwd, or `/`. */
export function withHome(process: ProcessPlan, root: Root): readonly string[] {
  const set = process.env.find((entry) => entry.startsWith('HOME='))
  if (set !== undefined && set !== 'HOME=') return process.env
  const others = process.env.filter((entry) => entry !== set)
  return [...others, `HOME=${homeOf(root, process.uid) ?? '/'}`]
}

/** A passwd file that is no plain file, or endless, says nothing (threat T-16). */
function homeOf(root: Root, uid: number): string | undefined {
  try {
    using file = openInRoot(root, '/etc/passwd', O.RDONLY | O.NONBLOCK | O.NOCTTY)
    if ((fstat(file).mode & S_IF.MT) !== S_IF.REG) return undefined
    for (const line of readText(file, PASSWD_MOST).split('\n')) {
      const fields = line.split(':')
      if (fields.length >= 6 && fields[2] === `${uid}`) return fields[5] || undefined
    }
    return undefined
  } catch {
    return undefined
  }
}

/**
 * Takes on what decides about access to files for the program: its user, groups and effective
 * capabilities. What needs privileges for other reasons has them again in the stub, by its execve.
 */
export function becomeForFiles({ uid, gid, additionalGids, capabilities }: ProcessPlan): void {
  if (uid !== 0 || gid !== 0 || additionalGids.length > 0) {
    setGroups(additionalGids)
    S(NR.setfsgid, gid)
    S(NR.setfsuid, uid)
  }
  // after setfsuid, which takes some away
  setEffectiveCapabilities(capabilityWords(capabilities.effective))
}

function openDirectory(cwd: string): Fd {
  const result = openat2(undefined, cwd, O.PATH | O.DIRECTORY, RESOLVE.NO_MAGICLINKS)
  if (result >= 0) return new Fd(result, cwd)
  if (result !== -E.NOSYS) throw failure('open', cwd, result)
  return open(undefined, cwd, O.PATH | O.DIRECTORY)
}

/**
 * Goes to the working directory: first with the rights of the runtime, then with the user's.
 *
 * @param asUser - takes on the user's identity; called exactly once
 * @throws {Error} also when the directory turns out to be outside of the container (CVE-2024-21626)
 */
export function enterWorkingDirectory(cwd: string, asUser: () => void): void {
  let switched = false
  const change = (): void => {
    using dir = openDirectory(cwd)
    check('fchdir', cwd, S(NR.fchdir, dir.number))
  }
  try {
    try {
      change()
    } catch (error) {
      if (!isErrno(error, E.ACCES, E.PERM)) throw error
      switched = true
      asUser()
      change()
    }
  } catch (cause) {
    const where = JSON.stringify(cwd)
    throw new Error(`chdir to cwd (${where}) set in config.json failed: ${messageOf(cause)}`, {
      cause,
    })
  }
  if (!switched) asUser()
  if (workingDirectory().startsWith('/')) return
  throw new Error(
    'current working directory is outside of container mount namespace root -- possible container breakout detected',
  )
}

/**
 * The path of the program `name`: itself if it has a slash, otherwise found in the environment's
 * PATH, as execvp(3) does.
 *
 * @throws {Error} in the words that clients tell "not found" and "not executable" from
 */
export function findProgram(name: string, env: readonly string[]): string {
  const quoted = JSON.stringify(name)
  if (name.includes('/')) {
    const problem = whyNotExecutable(name)
    if (problem === undefined) return name
    const what = problem === E.ISDIR || problem === E.ACCES ? '' : `stat ${name}: `
    throw new Error(`exec: ${quoted}: ${what}${errnoText(problem)}`, {
      cause: failure('access', name, -problem),
    })
  }
  const path = env.find((entry) => entry.startsWith('PATH='))?.slice(5) ?? ''
  for (const dir of path.split(':')) {
    // an empty or relative entry would mean the working directory, which an image chooses
    if (!dir.startsWith('/')) continue
    const candidate = `${dir}/${name}`
    if (whyNotExecutable(candidate) === undefined) return candidate
  }
  throw new Error(`exec: ${quoted}: executable file not found in $PATH`)
}

const X_OK = 1

/** The error number that speaks against executing `path`; undefined if nothing does. */
function whyNotExecutable(path: string): number | undefined {
  let found: ReturnType<typeof statIfAny>
  try {
    found = statIfAny(undefined, path)
  } catch (error) {
    if (error instanceof Error && 'errno' in error) return Number(error.errno)
    throw error
  }
  if (found === undefined) return E.NOENT
  if ((found.mode & S_IF.MT) === S_IF.DIR) return E.ISDIR
  const result = S(NR.faccessat2, AT.FDCWD, str(path), X_OK, AT.EACCESS)
  if (result !== -E.NOSYS) return result < 0 ? -result : undefined
  return (found.mode & 0o111) === 0 ? E.ACCES : undefined
}
