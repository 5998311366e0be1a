import type { LinuxResources, Process, Spec } from '../../spec/generated/config.ts'
import { SpecError } from '../base/errors.ts'
import { checkCgroupsPath, checkResources, checkSpecResources } from './checks/cgroup.ts'
import { checkHooks } from './checks/hooks.ts'
import {
  checkDevices,
  checkIntelRdt,
  checkMemoryPolicy,
  checkNetDevices,
  checkPaths,
  checkPersonality,
  checkPropagation,
} from './checks/linux.ts'
import { checkMounts } from './checks/mounts.ts'
import {
  checkHostName,
  checkNamespaces,
  checkRootless,
  checkTimeOffsets,
  checkUserNamespace,
} from './checks/namespaces.ts'
import { checkProcess } from './checks/process.ts'
import { checkSeccomp } from './checks/seccomp.ts'
import { checkSysctls } from './checks/sysctl.ts'
import { type Check, namespaceOf, type Problem, type Report, type SpecFacts } from './problem.ts'

/** All that can be judged without a look at the host, in the order in which runc would fail. */
const CHECKS: readonly Check[] = [
  checkProgram,
  checkRoot,
  checkAnnotations,
  checkDevices,
  checkCgroupsPath,
  checkSpecResources,
  checkNamespaces,
  checkPropagation,
  checkNetDevices,
  checkHostName,
  checkPaths,
  checkUserNamespace,
  checkTimeOffsets,
  checkSysctls,
  checkIntelRdt,
  checkRootless,
  checkMounts,
  checkPersonality,
  checkMemoryPolicy,
  checkSeccomp,
  checkHooks,
]

/**
 * Judges what a schema cannot: the rules of the specification and of runc that relate values to
 * each other and to how the runtime was called.
 *
 * @returns the warnings
 * @throws {SpecError} the first error, without a position; see positionOf() of bundle/position.ts
 */
export function validateSpec(spec: Spec, facts: SpecFacts): readonly Problem[] {
  const warnings: Problem[] = []
  const report = throwingReport(warnings)
  for (const check of CHECKS) check(spec, report, facts)
  return warnings
}

/** As {@link validateSpec}, for the process.json of exec; pointers start at the process. */
export function validateProcess(process: Process, facts: SpecFacts): readonly Problem[] {
  const warnings: Problem[] = []
  checkProcess(process, '', throwingReport(warnings), facts)
  return warnings
}

/** As {@link validateSpec}, for the resources of update; pointers start at them. */
export function validateResources(
  resources: LinuxResources,
  facts: Pick<SpecFacts, 'cgroupVersion'>,
): readonly Problem[] {
  const warnings: Problem[] = []
  checkResources(resources, '', throwingReport(warnings), facts)
  return warnings
}

/** Every problem that {@link validateSpec} would find, in its order. */
export function problemsOf(spec: Spec, facts: SpecFacts): Problem[] {
  const problems: Problem[] = []
  const report: Report = (pointer, message, severity = 'error') => {
    problems.push({ severity, message, pointer })
  }
  for (const check of CHECKS) check(spec, report, facts)
  return problems
}

function throwingReport(warnings: Problem[]): Report {
  return (pointer, message, severity = 'error') => {
    if (severity === 'error') throw new SpecError(message, pointer)
    warnings.push({ severity, message, pointer })
  }
}

function checkProgram(spec: Spec, report: Report, facts: SpecFacts): void {
  if (spec.process === undefined) report('/process', 'process property must not be empty')
  else checkProcess(spec.process, '/process', report, facts)
}

function checkRoot(spec: Spec, report: Report): void {
  if (spec.root === undefined) report('/root', 'root must be specified')
  else if (spec.root.path.includes('\0')) report('/root/path', 'invalid rootfs: contains nul byte')
  if (spec.root?.readonly && namespaceOf(spec, 'mount') === undefined) {
    report('/root/readonly', 'root.readonly is ignored without a mount namespace', 'warning')
  }
}

function checkAnnotations(spec: Spec, report: Report): void {
  if (spec.annotations !== undefined && Object.hasOwn(spec.annotations, '')) {
    report('/annotations', 'annotation with an empty name')
  }
}
