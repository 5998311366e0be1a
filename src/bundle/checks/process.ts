import type { Process, Rlimit } from '../../../spec/generated/config.ts'
import type { Pointer } from '../../base/errors.ts'
import { RLIMITS } from '../../plan/process-plan.ts'
import { type Report, refuseNul, type SpecFacts } from '../problem.ts'
import { checkCpuAffinity, checkIoPriority, checkScheduler } from './scheduling.ts'

/** What setuid(2) and setgid(2) take for "no change". */
const NO_ID = 0xffffffff
const LARGEST_UMASK = 0o7777
const OOM_SCORE_LIMIT = 1000

/**
 * Checks the program to run: `process` of config.json, or the process.json of exec.
 *
 * @param at - pointer of `process` within its file: `/process`, or empty for process.json
 */
export function checkProcess(
  process: Process,
  at: Pointer,
  report: Report,
  facts: SpecFacts,
): void {
  if (!process.cwd) report(`${at}/cwd`, 'Cwd property must not be empty')
  else if (!process.cwd.startsWith('/')) report(`${at}/cwd`, 'Cwd must be an absolute path')
  if (!process.args?.length) report(`${at}/args`, 'args must not be empty')
  if (process.apparmorProfile && facts.hasApparmor === false) {
    report(
      `${at}/apparmorProfile`,
      'unable to apply apparmor profile: AppArmor is not enabled on this host',
    )
  }
  refuseNul(`${at}/apparmorProfile`, [process.apparmorProfile ?? ''], report)
  refuseNul(`${at}/selinuxLabel`, [process.selinuxLabel ?? ''], report)
  if (process.selinuxLabel && facts.hasSelinux === false) {
    report(
      `${at}/selinuxLabel`,
      'selinux label is specified in config, but selinux is disabled or not supported',
    )
  }
  if (process.cwd?.includes('\0')) report(`${at}/cwd`, 'cwd contains nul byte (\\x00)')
  refuseNul(`${at}/args`, process.args ?? [], report)
  checkEnvironment(process.env ?? [], `${at}/env`, report)
  checkRlimits(process.rlimits ?? [], `${at}/rlimits`, report)
  checkUser(process, at, report, facts)
  checkOomScore(process.oomScoreAdj, `${at}/oomScoreAdj`, report)
  if (process.scheduler) checkScheduler(process.scheduler, `${at}/scheduler`, report)
  if (process.ioPriority) checkIoPriority(process.ioPriority, `${at}/ioPriority`, report)
  if (process.execCPUAffinity) checkCpuAffinity(process.execCPUAffinity, at, report)
}

function checkEnvironment(env: readonly string[], at: Pointer, report: Report): void {
  env.forEach((entry, index) => {
    const equals = entry.indexOf('=')
    const place = `${at}/${index}`
    if (equals === -1) report(place, "invalid environment variable: missing '='")
    else if (equals === 0) report(place, 'invalid environment variable: name cannot be empty')
    else if (entry.includes('\0')) {
      const name = JSON.stringify(entry.slice(0, equals))
      report(place, `invalid environment variable ${name}: contains nul byte (\\x00)`)
    }
  })
}

function checkRlimits(rlimits: readonly Rlimit[], at: Pointer, report: Report): void {
  const seen = new Set<string>()
  rlimits.forEach(({ type, soft, hard }, index) => {
    const place = `${at}/${index}`
    if (!type.startsWith('RLIMIT_') || !RLIMITS.includes(type.slice('RLIMIT_'.length))) {
      report(`${place}/type`, `wrong rlimit value: ${type}`)
    }
    if (seen.has(type)) report(`${place}/type`, `rlimit ${type} is given twice`)
    seen.add(type)
    if (soft > hard) report(place, `rlimit ${type}: soft limit ${soft} is above hard limit ${hard}`)
  })
}

function checkUser(process: Process, at: Pointer, report: Report, facts: SpecFacts): void {
  const { uid, gid, umask, additionalGids = [] } = process.user ?? {}
  if (uid === NO_ID) report(`${at}/user/uid`, `cannot setuid to uid ${NO_ID}: it means no change`)
  if (gid === NO_ID) report(`${at}/user/gid`, `cannot setgid to gid ${NO_ID}: it means no change`)
  if (umask !== undefined && umask > LARGEST_UMASK) {
    report(`${at}/user/umask`, `umask ${umask} is too large, allowed: at most ${LARGEST_UMASK}`)
  }
  const place = `${at}/user/additionalGids`
  additionalGids.forEach((id, index) => {
    if (id === NO_ID) report(`${place}/${index}`, `${NO_ID} is not a group id`)
  })
  if (facts.isRootless && additionalGids.length > 0) {
    report(place, 'cannot set any additional groups in a rootless container')
  }
}

function checkOomScore(score: number | undefined, at: Pointer, report: Report): void {
  if (score === undefined || Math.abs(score) <= OOM_SCORE_LIMIT) return
  report(at, `oomScoreAdj ${score} is out of range, allowed: -1000 to 1000`)
}
