/** The specification's own schema and examples, for the tests; they are not part of this repository. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import Draft04 from 'ajv-draft-04'

const DIRECTORY = new URL('../../shared/oci-schema/', import.meta.url)
export type Kind = 'config' | 'state' | 'features'

/** An option of tap's `test`: why the specification's files are not at hand; false if they are. */
export function skipReason(): string | false {
  if (existsSync(DIRECTORY)) return false
  return `there is no ${DIRECTORY.pathname} with the specification's schema`
}

/** What the specification's schema finds wrong; empty if nothing. */
export type Judge = (
  value: unknown,
) => readonly { instancePath: string; keyword: string; missing: string }[]

/** The specification's schema of one kind of document. */
export function officialJudge(kind: Kind): Judge {
  const ajv = new Draft04.default({ allErrors: true, strict: false, logger: false })
  for (const file of readdirSync(DIRECTORY).filter((name) => name.endsWith('.json'))) {
    ajv.addSchema({ id: file, ...JSON.parse(readFileSync(new URL(file, DIRECTORY), 'utf8')) })
  }
  const validate = ajv.getSchema(`${kind}-schema.json`)
  if (validate === undefined) throw new Error(`no schema for ${kind}`)
  return (value) => {
    if (validate(value)) return []
    return (validate.errors ?? []).map(({ instancePath, keyword, params }) => ({
      instancePath,
      keyword,
      missing: String(params.missingProperty ?? ''),
    }))
  }
}

/** The specification's example files: name to text. */
export function examples(kind: Kind, verdict: 'good' | 'bad'): Map<string, string> {
  const folder = new URL(`test/${kind}/${verdict}/`, DIRECTORY)
  return new Map(
    readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]),
  )
}
