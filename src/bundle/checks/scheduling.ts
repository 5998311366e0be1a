import type { CpuAffinity, IoPriority, Scheduler } from '../../../spec/generated/config.ts'
import { messageOf, type Pointer } from '../../base/errors.ts'
import { parseIdList } from '../../base/id-list.ts'
import type { Report } from '../problem.ts'

const POLICIES = 'OTHER FIFO RR BATCH ISO IDLE DEADLINE'
const IO_CLASSES = ['IOPRIO_CLASS_RT', 'IOPRIO_CLASS_BE', 'IOPRIO_CLASS_IDLE']
const LOWEST_IO_PRIORITY = 7
/** Far above what any kernel is built for; keeps the set of a list small. */
const MAX_CPUS = 65_536
/** Nanoseconds; the kernel's DL_SCALE. */
const SHORTEST_RUNTIME = 1024

/** Checks what sched_setattr(2) would be asked for. */
export function checkScheduler(scheduler: Scheduler, at: Pointer, report: Report): void {
  const { policy, nice = 0, priority = 0, runtime = 0, deadline = 0, period = 0 } = scheduler
  if (!policy) {
    report(at, 'scheduler policy is required')
    return
  }
  const name = policy.startsWith('SCHED_') ? policy.slice('SCHED_'.length) : ''
  if (!POLICIES.split(' ').includes(name)) {
    report(`${at}/policy`, `invalid scheduler policy: ${JSON.stringify(policy)}`)
    return
  }
  if ((name === 'OTHER' || name === 'BATCH') && (nice < -20 || nice > 19)) {
    report(`${at}/nice`, `invalid scheduler.nice: ${nice} when using ${policy}, allowed: -20 to 19`)
  }
  if (name === 'FIFO' || name === 'RR') {
    if (priority < 1 || priority > 99) {
      report(`${at}/priority`, `invalid scheduler.priority: ${priority}, allowed: 1 to 99`)
    }
  } else if (priority !== 0) {
    report(
      `${at}/priority`,
      'scheduler.priority can only be specified for SchedFIFO or SchedRR policy',
    )
  }
  if (name === 'DEADLINE') checkDeadline(runtime, deadline, period, at, report)
  else if (Number(runtime) !== 0 || Number(deadline) !== 0 || Number(period) !== 0) {
    report(at, 'scheduler runtime/deadline/period can only be specified for SchedDeadline policy')
  }
}

type Integer = number | bigint

function checkDeadline(
  runtime: Integer,
  deadline: Integer,
  period: Integer,
  at: Pointer,
  report: Report,
): void {
  if (
    runtime >= SHORTEST_RUNTIME &&
    runtime <= deadline &&
    (Number(period) === 0 || deadline <= period)
  ) {
    return
  }
  report(
    at,
    `scheduler times must be ${SHORTEST_RUNTIME} <= runtime <= deadline <= period, ` +
      `found runtime ${runtime}, deadline ${deadline}, period ${period}`,
  )
}

/** Checks what ioprio_set(2) would be asked for. */
export function checkIoPriority(io: IoPriority, at: Pointer, report: Report): void {
  const { class: name = '', priority = 0 } = io
  if (priority < 0 || priority > LOWEST_IO_PRIORITY) {
    report(`${at}/priority`, `invalid ioPriority.Priority: ${priority}`)
  }
  if (!IO_CLASSES.includes(name)) {
    report(`${at}/class`, `invalid ioPriority.Class: ${JSON.stringify(name)}`)
  }
}

/** Checks the two CPU lists of exec; `at` is the pointer of the process. */
export function checkCpuAffinity(affinity: CpuAffinity, at: Pointer, report: Report): void {
  for (const [key, label] of [
    ['initial', 'Initial'],
    ['final', 'Final'],
  ] as const) {
    try {
      parseIdList(affinity[key] ?? '', MAX_CPUS)
    } catch (cause) {
      report(`${at}/execCPUAffinity/${key}`, `bad CPUAffinity.${label}: ${messageOf(cause)}`)
    }
  }
}
