import type { LinuxSeccomp, LinuxSyscall, Spec } from '../../../spec/generated/config.ts'
import { type Report, refuseNul } from '../problem.ts'

const ACTIONS = 'ALLOW ERRNO KILL KILL_PROCESS KILL_THREAD LOG NOTIFY TRACE TRAP'
const FLAGS = 'TSYNC LOG SPEC_ALLOW WAIT_KILLABLE_RECV'
const NOTIFY = 'SCMP_ACT_NOTIFY'
const WAIT_KILLABLE_RECV = 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'
/** SECCOMP_RET_DATA: what an action can carry. */
const LARGEST_DATA = 0xffff
const LAST_ARGUMENT = 5
const AT = '/linux/seccomp'

/** Checks the filter as far as it does not depend on libseccomp and the kernel. */
export function checkSeccomp(spec: Spec, report: Report): void {
  const seccomp = spec.linux?.seccomp
  if (seccomp === undefined) return
  const { defaultAction = '', defaultErrnoRet, syscalls = [] } = seccomp
  checkListener(seccomp, report)
  // as written by Go programs for "no filter"
  if (defaultAction === '' && syscalls.length === 0) return
  if (!isOneOf(defaultAction, 'SCMP_ACT_', ACTIONS)) {
    report(
      `${AT}/defaultAction`,
      `string ${JSON.stringify(defaultAction)} is not a valid action for seccomp`,
    )
  }
  if (defaultAction === NOTIFY) {
    report(`${AT}/defaultAction`, 'SCMP_ACT_NOTIFY cannot be used as default action')
  }
  checkErrno(defaultAction, defaultErrnoRet, `${AT}/defaultErrnoRet`, report)
  seccomp.flags?.forEach((flag, index) => {
    if (isOneOf(flag, 'SECCOMP_FILTER_FLAG_', FLAGS)) return
    report(`${AT}/flags/${index}`, `seccomp flag ${flag} is not known to runc`)
  })
  syscalls.forEach((rule, index) => {
    checkRule(rule, `${AT}/syscalls/${index}`, report)
  })
}

function checkListener(seccomp: LinuxSeccomp, report: Report): void {
  const { listenerPath = '', listenerMetadata = '', syscalls = [], flags = [] } = seccomp
  const notifies = syscalls.some(({ action }) => action === NOTIFY)
  if (listenerMetadata !== '' && listenerPath === '') {
    report(`${AT}/listenerMetadata`, 'seccomp listenerMetadata is set without listenerPath')
  }
  if (listenerPath === '' && notifies) report(AT, 'seccomp listenerPath is not set')
  const waits = flags.indexOf(WAIT_KILLABLE_RECV)
  if (waits >= 0 && !notifies) {
    report(`${AT}/flags/${waits}`, `${WAIT_KILLABLE_RECV} is of use with ${NOTIFY} only`)
  }
  refuseNul(AT, [listenerPath], (_, message) => {
    report(`${AT}/listenerPath`, `listenerPath ${message}`)
  })
}

function checkRule(rule: LinuxSyscall, at: string, report: Report): void {
  const { names, action, errnoRet, args } = rule
  const empty = names.indexOf('')
  if (empty >= 0) report(`${at}/names/${empty}`, 'empty string is not a valid syscall')
  refuseNul(`${at}/names`, names, report)
  if (action === NOTIFY && names.includes('write')) {
    report(`${at}/action`, 'SCMP_ACT_NOTIFY cannot be used for the write syscall')
  }
  if (errnoRet !== undefined) checkErrno(action, errnoRet, `${at}/errnoRet`, report)
  args?.forEach(({ index }, position) => {
    if (index <= LAST_ARGUMENT) return
    report(`${at}/args/${position}/index`, `found number ${index}, allowed: 0 to ${LAST_ARGUMENT}`)
  })
}

/** Only two actions have a number to go with them: the errno, or what the tracer is told. */
function checkErrno(action: string, errno: number | undefined, at: string, report: Report): void {
  if (errno === undefined) return
  if (action !== 'SCMP_ACT_ERRNO' && action !== 'SCMP_ACT_TRACE') {
    report(at, `seccomp action ${action} does not take an errno`)
  }
  if (errno > LARGEST_DATA) report(at, `found number ${errno}, allowed: at most ${LARGEST_DATA}`)
}

function isOneOf(name: string, prefix: string, names: string): boolean {
  return name.startsWith(prefix) && names.split(' ').includes(name.slice(prefix.length))
}
