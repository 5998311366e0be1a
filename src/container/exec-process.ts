/** Which process `exec` is to start: from the kept configuration and flags, or from a file. */
import type { Process, Spec } from '../../spec/generated/config.ts'
import { messageOf, SpecError } from '../base/errors.ts'
import { loadProcess } from '../bundle/load.ts'
import type { SpecFacts } from '../bundle/problem.ts'
import { validateProcess } from '../bundle/validate.ts'
import { probeSecurityModules } from '../host/probe.ts'
import { changedProcess, completedProcess, type ProcessChanges } from '../plan/exec-plan.ts'
import { S } from '../sys/ffi.ts'
import { O, open, readText } from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'
import { locating } from './bundle.ts'

const MOST = 16 << 20

/** A valid process, and the text that errors about it have a position in. */
export interface RequestedProcess {
  readonly process: Process
  readonly text: string
  readonly fileName: string
  /** Pointer of the process in that text. */
  readonly at: '' | '/process'
}

/** Makes a process of the container's specification and the text that this was read from. */
type Chooser = (spec: Spec, config: string) => RequestedProcess

/**
 * Reads what there is to read before the container is looked at.
 *
 * @param wanted - flags, or the path of a process.json
 * @returns what throws {Error} for flags that make no valid process
 * @throws {SpecError} for a file, with its position there; {SyscallError}
 */
export async function chooser(wanted: ProcessChanges | string): Promise<Chooser> {
  return typeof wanted === 'string'
    ? fromFile(wanted)
    : (spec, config) => fromFlags(spec, config, wanted)
}

function fromFlags(spec: Spec, config: string, changes: ProcessChanges): RequestedProcess {
  const process = changedProcess(spec, changes)
  try {
    judge(process)
  } catch (error) {
    // the configuration itself was valid when the container was created: it is the flags
    if (error instanceof SpecError) throw new Error(messageOf(error))
    throw error
  }
  return { process, text: config, fileName: 'config.json', at: '/process' }
}

async function fromFile(path: string): Promise<Chooser> {
  using file = open(undefined, path, O.RDONLY | O.NOCTTY)
  const text = readText(file, MOST)
  const load = async (): Promise<Process> => {
    const loaded = await loadProcess(text, path)
    judge(loaded)
    return loaded
  }
  const process = await locating(text, load, path)
  return (spec) => ({ process: completedProcess(spec, process), text, fileName: path, at: '' })
}

/** @throws {SpecError} its pointer starts at the process */
function judge(process: Process): void {
  validateProcess(process, factsFor(process))
}

function factsFor(process: Process): SpecFacts {
  return {
    isRootless: S(NR.geteuid) !== 0,
    hasRootlessCgroups: false,
    usesSystemdCgroup: false,
    avoidsPivot: false,
    ...probeSecurityModules(process),
  }
}
