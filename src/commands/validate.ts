import { readFileSync } from 'node:fs'
import { messageOf, UsageError } from '../base/errors.ts'
import { absolutePath } from '../base/paths.ts'
import { thisHost } from '../bundle/host.ts'
import { checkHost, factsOf } from '../bundle/host-checks.ts'
import type { Problem, Report } from '../bundle/problem.ts'
import { surveySpec } from '../bundle/survey.ts'
import { checkUnsupported } from '../bundle/unsupported.ts'
import { problemsOf } from '../bundle/validate.ts'
import { defineCommand } from './define.ts'

const FILE = 'config.json'

/** A problem as it is shown. */
interface Finding extends Problem {
  /** `config.json:41:7`; absent if there is no text to point at. */
  readonly position?: string
}

export default defineCommand({
  name: 'validate',
  summary: 'check a bundle',
  usage: '',
  description: `Prints every problem of the bundle's ${FILE}: syntax, the schema and rules of the specification, what this version does not do, and what this host cannot do. The exit status is 1 if there is an error, 0 if there are none but warnings.`,
  args: { min: 0, max: 0 },
  options: {
    bundle: {
      type: 'string',
      alias: 'b',
      metavar: 'DIR',
      default: '.',
      summary: 'bundle directory',
    },
    format: {
      type: 'string',
      alias: 'f',
      metavar: 'FORMAT',
      default: 'text',
      summary: 'text, a line for each problem, or json, an array',
    },
  },
  async run({ options, runtime }) {
    const { format } = options
    if (format !== 'text' && format !== 'json')
      throw new UsageError(`invalid format option: ${format}`)
    const bundle = absolutePath(options.bundle, process.cwd())
    const findings = await findingsOf(bundle, runtime.cgroupDriver === 'systemd')
    if (format === 'json') runtime.print(`${JSON.stringify(findings, null, 2)}\n`)
    else for (const finding of findings) runtime.print(`${lineOf(finding)}\n`)
    return findings.some(({ severity }) => severity === 'error') ? 1 : 0
  },
})

function lineOf({ severity, message, pointer, position }: Finding): string {
  return [position ?? FILE, severity, message].join(': ') + (pointer === '' ? '' : ` (${pointer})`)
}

async function findingsOf(bundle: string, systemd: boolean): Promise<Finding[]> {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      readFileSync(`${bundle}/${FILE}`),
    )
  } catch (error) {
    return [{ severity: 'error', message: unreadable(error), pointer: '' }]
  }
  const { spec, problems, positionOf } = await surveySpec(text, FILE)
  const found: Problem[] = [...problems]
  if (spec !== undefined) {
    const facts = factsOf(spec, thisHost, { euid: process.geteuid?.() ?? 0, systemd })
    found.push(...problemsOf(spec, facts))
    const report: Report = (pointer, message, severity = 'error') => {
      found.push({ severity, message, pointer })
    }
    checkUnsupported(spec, report, facts)
    checkHost(spec, bundle, thisHost, report)
  }
  return found.map((problem) => {
    const position = positionOf(problem.pointer)
    return position === undefined ? problem : { ...problem, position }
  })
}

function unreadable(error: unknown): string {
  if (error instanceof TypeError) return `${FILE} is not UTF-8`
  const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
  return isMissing ? `JSON specification file ${FILE} not found` : messageOf(error)
}
