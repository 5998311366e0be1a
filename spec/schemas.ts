import { readFileSync } from 'node:fs'

/** The keywords of JSON Schema that the schemas here use, and `tsType` of json-schema-to-typescript. */
export interface Schema {
  $schema?: string
  $id?: string
  $ref?: string
  $defs?: Record<string, Schema>
  title?: string
  description?: string
  type?: string
  properties?: Record<string, Schema>
  additionalProperties?: Schema
  items?: Schema
  required?: string[]
  enum?: string[]
  pattern?: string
  minimum?: number
  maximum?: number
  minItems?: number
  tsType?: string
}

export interface Schemas {
  readonly config: Schema
  readonly state: Schema
  readonly features: Schema
}

/** Reads spec/schema; definitions of config.json that another schema refers to are copied into it. */
export function loadSchemas(): Schemas {
  const config = readSchema('config')
  return {
    config,
    state: readSchema('state'),
    features: adoptDefinitions(readSchema('features'), config),
  }
}

function readSchema(name: string): Schema {
  return JSON.parse(readFileSync(new URL(`./schema/${name}.json`, import.meta.url), 'utf8'))
}

function adoptDefinitions(schema: Schema, config: Schema): Schema {
  const foreign = 'config.json#/$defs/'
  const adopted: Record<string, Schema> = { ...schema.$defs }
  const text = JSON.stringify(schema, (key, value) => {
    if (key !== '$ref' || typeof value !== 'string' || !value.startsWith(foreign)) return value
    const name = value.slice(foreign.length)
    const definition = config.$defs?.[name]
    if (definition === undefined) throw new Error(`config.json defines no ${name}`)
    adopted[name] = definition
    return `#/$defs/${name}`
  })
  return { ...JSON.parse(text), $defs: adopted }
}

/** The definition that a schema's `$ref` names, or the schema itself. */
export function resolve(schema: Schema, root: Schema): Schema {
  if (schema.$ref === undefined) return schema
  const definition = root.$defs?.[schema.$ref.replace('#/$defs/', '')]
  if (definition === undefined) throw new Error(`no definition for ${schema.$ref}`)
  return definition
}
