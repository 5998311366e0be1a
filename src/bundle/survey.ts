import type { Node } from 'jsonc-parser'
import type { Spec } from '../../spec/generated/config.ts'
import { CONFIG_KIND, KINDS } from '../../spec/generated/keys.ts'
import { config } from '../../spec/generated/validators-all.js'
import { type Pointer, SpecError } from '../base/errors.ts'
import { segment } from '../base/pointer.ts'
import { fold, isRecord, knownName } from './fold.ts'
import { loadSpec } from './load.ts'
import { positionOf } from './position.ts'
import type { Problem } from './problem.ts'
import { parseTreeOf } from './syntax-tree.ts'
import { violationText } from './violation.ts'

/** What a config.json says, if it can be read, and all that is wrong with its form. */
export interface Survey {
  readonly spec: Spec | undefined
  readonly problems: readonly Problem[]
  /** Position of a pointer, as positionOf() of position.ts gives it. */
  readonly positionOf: (pointer: Pointer) => string | undefined
}

/** Reads the text of a config.json as loadSpec() does, but finds every problem. */
export async function surveySpec(text: string, fileName: string): Promise<Survey> {
  const names = nameProblems(parseTreeOf(text), CONFIG_KIND, '')
  try {
    const spec = await loadSpec(text, fileName)
    return {
      spec,
      problems: [...versionProblems(spec), ...names],
      positionOf: (pointer) => positionOf(text, fileName, pointer),
    }
  } catch (error) {
    if (!(error instanceof SpecError)) throw error
    const violations = violationsOf(text, fileName)
    if (violations.length === 0) {
      const { message, pointer, position } = error
      const problem: Problem = { severity: 'error', message, pointer }
      return { spec: undefined, problems: [problem], positionOf: () => position }
    }
    return {
      spec: undefined,
      problems: [...violations, ...names],
      positionOf: (pointer) => positionOf(text, fileName, pointer),
    }
  }
}

function violationsOf(text: string, fileName: string): Problem[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return []
  }
  fold(value, CONFIG_KIND)
  if (value === null || config(value)) return []
  return (config.errors ?? []).map((violation) => ({
    severity: 'error',
    message: violationText(value, violation, fileName),
    pointer: violation.instancePath,
  }))
}

/** Semantic Versioning 2.0.0: numbers without leading zeros, then pre-release and build. */
const SEMVER =
  /^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[\dA-Za-z-]+(?:\.[\dA-Za-z-]+)*)?(?:\+[\dA-Za-z-]+(?:\.[\dA-Za-z-]+)*)?$/

/** runc looks at no version, and neither does create: only here a wrong one is a problem. */
function versionProblems({ ociVersion }: Spec): Problem[] {
  const problem = (message: string): Problem[] => [
    { severity: 'error', message, pointer: '/ociVersion' },
  ]
  if (ociVersion === undefined) return problem('found no "ociVersion", which is required')
  const shown = JSON.stringify(ociVersion)
  if (!SEMVER.test(ociVersion)) return problem(`ociVersion ${shown} is not a semantic version`)
  if (ociVersion.startsWith('1.')) return []
  return problem(`ociVersion ${shown} is of another major version, supported: 1`)
}

/** Names that are read otherwise than their author may expect: repeated, unknown, in other case. */
function nameProblems(node: Node | undefined, kind: number, at: Pointer): Problem[] {
  const kinds = KINDS[kind]
  if (node === undefined || kinds === undefined) return []
  const { children = [] } = node
  if (node.type === 'array') {
    return children.flatMap((element, index) => nameProblems(element, kind, `${at}/${index}`))
  }
  const problems: Problem[] = []
  const seen = new Set<string>()
  const isNamed = isRecord(kinds) && Object.keys(kinds).length > 0
  for (const { children: [key, value] = [] } of children) {
    if (node.type !== 'object' || key === undefined) continue
    const name = String(key.value)
    const pointer = `${at}/${segment(name)}`
    const warn = (message: string) => problems.push({ severity: 'warning', message, pointer })
    const shown = JSON.stringify(name)
    if (seen.has(name)) warn(`name ${shown} is given more than once, the last counts`)
    seen.add(name)
    const known = kinds['*'] === undefined && isNamed ? knownName(name, kinds) : name
    if (known === undefined) warn(`property ${shown} is not known and ignored`)
    else if (known !== name) warn(`property ${shown} is read as "${known}"`)
    const below = kinds['*'] ?? kinds[known ?? '']
    if (below !== undefined) problems.push(...nameProblems(value, below, pointer))
  }
  return problems
}
