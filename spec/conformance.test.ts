import t from 'tap'
import { SpecError } from '../src/base/errors.ts'
import { featuresOf } from '../src/bundle/features.ts'
import { loadSpec } from '../src/bundle/load.ts'
import { specTemplate } from '../src/bundle/template.ts'
import { seccompFeatures } from '../src/seccomp/features.ts'
import { DIFFERENCES, type Objection, valueAt } from './differences.ts'
import { features, state } from './generated/validators.js'
import { mutate, randomFrom } from './mutate.ts'
import { examples, officialJudge, skipReason } from './official.ts'
import { richConfig } from './rich-config.ts'

const skip = skipReason()
const ROUNDS = 4000
const VALIDATORS = { state, features }
/** What chance seldom comes upon. */
const RARE: readonly unknown[] = [
  { ociVersion: '1.3.0', linux: { resources: { pids: {} } } },
  { ociVersion: '1.3.0', linux: { resources: { memory: { limit: 2 ** 63 } } } },
  { ociVersion: '1.3.0', linux: { seccomp: { defaultAction: 'SCMP_ACT_LOG', flags: ['NONE'] } } },
  { ociVersion: '1.3.0', annotations: { '': 5 } },
]
/** Bad files that are good here, by the first entry of the table of differences. */
const IGNORED = ['freebsd-vnet-disable.json']

t.test('config.json: files of the specification', { skip }, async (t) => {
  for (const [name, text] of examples('config', 'good')) {
    await t.resolves(loadSpec(text, name), `${name} is good`)
  }
  for (const [name, text] of examples('config', 'bad')) {
    if (IGNORED.includes(name)) await t.resolves(loadSpec(text, name), `${name} is ignored`)
    else await t.rejects(loadSpec(text, name), { name: 'SpecError' }, `${name} is bad`)
  }
})

t.test('state and features: files of the specification', { skip }, async (t) => {
  for (const kind of ['state', 'features'] as const) {
    for (const [name, text] of examples(kind, 'good')) {
      t.ok(VALIDATORS[kind](JSON.parse(text)), `${kind} ${name} is good`)
    }
    for (const [name, text] of examples(kind, 'bad')) {
      t.notOk(isValid(kind, text), `${kind} ${name} is bad`)
    }
  }
})

t.test("tsrun's own documents pass the specification's schema", { skip }, async (t) => {
  const config = officialJudge('config')
  for (const hasCgroup2Only of [true, false]) {
    for (const rootless of [undefined, { uid: 1000, gid: 1000 }]) {
      t.same(config(specTemplate({ hasCgroup2Only, rootless })), [])
    }
  }
  t.same(config(richConfig), [])
  const facts = { version: '1', commit: '' }
  t.same(officialJudge('features')(featuresOf(facts)), [])
  t.ok(features(featuresOf(facts)))
  const here = featuresOf({ ...facts, seccomp: seccompFeatures() })
  t.same(officialJudge('features')(here), [])
  t.ok(features(here))
})

t.test('config.json: verdicts on changed files', { skip }, async (t) => {
  const judge = officialJudge('config')
  const random = randomFrom(20_260_101)
  const bases = [...examples('config', 'good').values()].map((text) => JSON.parse(text))
  const seen = new Set<string>()
  const counts = { accepted: 0, rejected: 0 }
  for (let round = 0; round < ROUNDS; round++) {
    // the rich file has every property, so it gets half of the rounds
    const base = round % 2 === 0 ? richConfig : bases[round % bases.length]
    const document = RARE[round] ?? mutate(base, random)
    const theirs = judge(document)
    const ours = await objectionOf(document)
    counts[ours === undefined ? 'accepted' : 'rejected']++
    if ((theirs.length === 0) === (ours === undefined)) continue
    const objector = ours === undefined ? 'specification' : 'tsrun'
    for (const objection of ours === undefined ? theirs : [ours]) {
      const difference = DIFFERENCES.find(
        (d) => d.objector === objector && d.covers(objection, document),
      )
      if (difference !== undefined) seen.add(difference.name)
      else
        t.fail(`round ${round}: only ${objector} objects`, {
          objection,
          value: shown(document, objection),
        })
    }
  }
  t.ok(counts.accepted > ROUNDS / 5 && counts.rejected > ROUNDS / 5, 'verdicts of both kinds')
  const unseen = DIFFERENCES.filter(({ name }) => !seen.has(name)).map(({ name }) => name)
  t.same(unseen, [], 'every listed difference occurs')
})

async function objectionOf(document: unknown): Promise<Objection | undefined> {
  try {
    await loadSpec(JSON.stringify(document), 'config.json')
    return undefined
  } catch (error) {
    if (!(error instanceof SpecError)) throw error
    const missing = /found no "(.*)"/.exec(error.message)?.[1]
    const keyword = missing === undefined ? 'type' : 'required'
    return { instancePath: error.pointer, keyword, missing: missing ?? '' }
  }
}

function isValid(kind: 'state' | 'features', text: string): boolean {
  try {
    return VALIDATORS[kind](JSON.parse(text))
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}

function shown(document: unknown, { instancePath }: Objection): string | undefined {
  return JSON.stringify(valueAt(document, instancePath))?.slice(0, 200)
}
