import type { LinuxResources, Process, Spec } from '../../spec/generated/config.ts'
import { CONFIG_KIND, PROCESS_KIND, RESOURCES_KIND } from '../../spec/generated/keys.ts'
import * as validators from '../../spec/generated/validators.js'
import { SpecError } from '../base/errors.ts'
import { fold } from './fold.ts'

/** UTF-16 units: far above any real bundle, far below what exhausts memory. */
const MAX_LENGTH = 16 << 20
/** As deep as Go's decoder goes. */
const MAX_DEPTH = 10_000

/**
 * Reads the text of config.json.
 *
 * @param text - the whole file, decoded from UTF-8 with a byte order mark kept
 * @param fileName - for positions in errors
 * @returns the document with names in the specification's spelling and no `null` properties;
 * 64-bit numbers beyond 2^53 are bigint
 * @throws {SpecError} syntax or schema, with pointer and position
 */
export async function loadSpec(text: string, fileName: string): Promise<Spec> {
  const value = await parse(text, fileName)
  if (value === null) throw new SpecError('config cannot be null', '', `${fileName}:1:1`)
  return (await finish(text, fileName, value, CONFIG_KIND, validators.config)) as Spec
}

/** Reads the process.json of exec: as {@link loadSpec}, for the specification's `process` object. */
export async function loadProcess(text: string, fileName: string): Promise<Process> {
  const value = (await parse(text, fileName)) ?? {}
  return (await finish(text, fileName, value, PROCESS_KIND, validators.process)) as Process
}

/** Reads the input of update: as {@link loadSpec}, for `linux.resources`. */
export async function loadResources(text: string, fileName: string): Promise<LinuxResources> {
  const value = (await parse(text, fileName)) ?? {}
  return (await finish(
    text,
    fileName,
    value,
    RESOURCES_KIND,
    validators.resources,
  )) as LinuxResources
}

/** JSON.parse, with runc's leniency towards what follows the first value, and limits. */
async function parse(text: string, fileName: string): Promise<unknown> {
  refuseExcess(text, fileName)
  try {
    return JSON.parse(text)
  } catch (cause) {
    const { parseFirstValue } = await import('./syntax.ts')
    return parseFirstValue(text, fileName, cause)
  }
}

async function finish(
  text: string,
  fileName: string,
  value: unknown,
  kind: number,
  validate: validators.Validator,
): Promise<unknown> {
  const hasRounded = fold(value, kind)
  if (!validate(value)) {
    const { violationError } = await import('./violation.ts')
    throw violationError(text, fileName, value, validate.errors?.[0])
  }
  if (!hasRounded) return value
  const { restoreIntegers } = await import('./exact.ts')
  restoreIntegers(text, fileName, value, kind)
  return value
}

function refuseExcess(text: string, fileName: string): void {
  const { length } = text
  if (length > MAX_LENGTH) {
    const message = `found ${length} characters, allowed: at most ${MAX_LENGTH}`
    throw new SpecError(message, '', `${fileName}:1:1`)
  }
  if (length > 2 * MAX_DEPTH && depthOf(text) > MAX_DEPTH) {
    throw new SpecError(`values are nested more than ${MAX_DEPTH} deep`, '', `${fileName}:1:1`)
  }
}

/** How deep arrays and objects nest; 0 without counting where there are too few to matter. */
function depthOf(text: string): number {
  if (text.split('[').length + text.split('{').length < MAX_DEPTH) return 0
  let depth = 0
  let deepest = 0
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (token === '[' || token === '{') deepest = Math.max(deepest, ++depth)
    else if (token === ']' || token === '}') depth--
  }
  return deepest
}
