/**
 * Writes spec/generated from spec/schema. Run it with `bun spec/generate.ts` after editing a
 * schema; with --check it writes nothing and exits 1 if a committed file is out of date.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { keysModule } from './keys.ts'
import { loadSchemas } from './schemas.ts'
import { typesModule } from './types.ts'
import { validatorsDeclaration, validatorsModule } from './validators.ts'

const DIRECTORY = new URL('./generated/', import.meta.url)

/** The generated files: name to content. */
async function generate(): Promise<Map<string, string>> {
  const schemas = loadSchemas()
  return new Map([
    ['config.ts', await typesModule(schemas.config)],
    ['state.ts', await typesModule(schemas.state)],
    ['features.ts', await typesModule(schemas.features)],
    ['keys.ts', keysModule(schemas.config)],
    ['validators.js', validatorsModule(schemas, { allErrors: false })],
    ['validators.d.ts', validatorsDeclaration()],
    ['validators-all.js', validatorsModule(schemas, { allErrors: true })],
    ['validators-all.d.ts', validatorsDeclaration()],
  ])
}

function committed(name: string): string | undefined {
  try {
    return readFileSync(new URL(name, DIRECTORY), 'utf8')
  } catch {
    return undefined
  }
}

const files = await generate()
const stale = [...files].filter(([name, content]) => committed(name) !== content)
if (process.argv.includes('--check')) {
  for (const [name] of stale) {
    process.stderr.write(`spec/generated/${name} is out of date: run bun spec/generate.ts\n`)
  }
  process.exitCode = stale.length === 0 ? 0 : 1
} else {
  mkdirSync(DIRECTORY, { recursive: true })
  for (const [name, content] of stale) writeFileSync(new URL(name, DIRECTORY), content)
}
