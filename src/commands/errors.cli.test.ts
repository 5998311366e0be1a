/** What is wrong with a bundle: said in one line, with its place, and nothing is left behind. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  baseSpec,
  leftovers,
  type TestBundle,
  type TestSpec,
  withBundle,
} from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

async function expectError(
  t: Test,
  b: TestBundle,
  text: RegExp,
  name = text.source,
): Promise<void> {
  for (const command of ['create', 'run']) {
    const { code, stdout, stderr } = await b.tsrun(command, b.id)
    t.equal(code, 1, name)
    t.equal(stdout, '')
    t.match(stderr, text, name)
    t.match(
      stderr,
      new RegExp(`^time="[^"]+" level=error msg="runc ${command} failed: .*"\n$`),
      name,
    )
    t.equal(stderr.split('\n').length, 2, 'one line')
  }
  t.same(leftovers(b.dir, b.root, b.id), [], 'nothing is left behind')
}

/** The line and column of `text` in the n-th line that contains it, as errors write them. */
function place(config: string, text: string): RegExp {
  const lines = config.split('\n')
  const line = lines.findIndex((candidate) => candidate.includes(text))
  return new RegExp(`config\\.json:${line + 1}:\\d+`)
}

t.test('a bundle without config.json, or with something else', { skip }, async (t) => {
  const b = await withBundle(t)
  const config = join(b.dir, 'config.json')
  rmSync(config)
  await expectError(t, b, /JSON specification file config\.json not found/)
  mkdirSync(config)
  await expectError(t, b, /config\.json/)
  rmSync(config, { recursive: true })
  symlinkSync('/dev/zero', config)
  await expectError(t, b, /config\.json/, 'an endless file (H-24)')
  rmSync(config)
  await b.shell('mkfifo config.json')
  await expectError(t, b, /config\.json/, 'a fifo that nobody writes')
  const outcome = await b.tsrun('create', '--bundle', '/no/such/directory', b.id)
  t.match(outcome, { code: 1, stderr: /no such file or directory/ })
})

t.test('texts that are no JSON: line and column', { skip }, async (t) => {
  const b = await withBundle(t)
  const texts: [string, RegExp][] = [
    ['', /config\.json/],
    ['{', /config\.json:1:\d+/],
    ['{\n  "ociVersion": "1.0.0",\n  "process" {}\n}', /config\.json:3:\d+/],
    ['{\n\t"process": tru\n}', /config\.json:2:\d+/],
    ['null', /config cannot be null/],
    ['[]', /config\.json:1:1/],
    ['"text"', /config\.json:1:1/],
    ['[['.repeat(50_000), /config\.json/],
  ]
  for (const [text, expected] of texts) {
    writeFileSync(join(b.dir, 'config.json'), text)
    await expectError(t, b, expected, text.slice(0, 20))
  }
})

t.test('values that the schema does not allow: line and column', { skip }, async (t) => {
  const b = await withBundle(t)
  const changes: [string, (spec: TestSpec) => void, string][] = [
    ['a string for a number', (spec) => set(spec.process.user, 'uid', 'root'), '"uid": "root"'],
    ['a number for a string', (spec) => set(spec.process, 'cwd', 5), '"cwd": 5'],
    ['an object for a list', (spec) => set(spec, 'mounts', { odd: 1 }), '"mounts": {'],
    ['a list for an object', (spec) => set(spec, 'root', ['odd']), '"root": ['],
    ['a negative id', (spec) => set(spec.process.user, 'gid', -4), '"gid": -4'],
    ['a fraction', (spec) => set(spec.process.user, 'uid', 1.5), '"uid": 1.5'],
  ]
  for (const [name, change, text] of changes) {
    const spec = baseSpec()
    change(spec)
    const config = JSON.stringify(spec, null, '\t')
    writeFileSync(join(b.dir, 'config.json'), config)
    await expectError(t, b, place(config, text), name)
  }
})

function set(object: object, key: string, value: unknown): void {
  Object.assign(object, { [key]: value })
}

t.test('bundles that lack what a container needs', { skip }, async (t) => {
  const b = await withBundle(t)
  const changes: [RegExp, (spec: TestSpec) => void][] = [
    [/process property must not be empty/, (spec) => set(spec, 'process', undefined)],
    [/root must be specified/, (spec) => set(spec, 'root', undefined)],
    [/invalid rootfs: .*no such file or directory/, (spec) => set(spec.root, 'path', 'missing')],
    [
      /wrong rlimit value: RLIMIT_X/,
      (spec) => {
        set(spec.process, 'rlimits', [{ type: 'RLIMIT_X', soft: 1, hard: 1 }])
      },
    ],
    [
      /rootfsPropagation=odd is not supported/,
      (spec) => set(spec.linux, 'rootfsPropagation', 'odd'),
    ],
    [
      /unable to restrict sys entries without a private MNT namespace/,
      (spec) => {
        spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'mount')
      },
    ],
    [
      /user namespace mappings specified, but user namespace isn't enabled in the config/,
      (spec) => {
        spec.linux.uidMappings = [{ containerID: 0, hostID: 1000, size: 1 }]
      },
    ],
  ]
  for (const [text, change] of changes) {
    b.reconfigure(change)
    await expectError(t, b, text)
  }
})

t.test(
  'failures in the container name the step, its subject and the place',
  { skip },
  async (t) => {
    const b = await withBundle(t)
    b.reconfigure((spec) => {
      spec.mounts.push({
        destination: '/mnt',
        type: 'bind',
        source: '/no/such/source',
        options: ['rbind'],
      })
    })
    await expectError(t, b, /error mounting .*\/no\/such\/source.*\/mnt.*no such file or directory/)
    await expectError(t, b, /config\.json:\d+:\d+/)
    b.reconfigure((spec) => {
      spec.mounts.push({ destination: '/mnt', type: 'nosuchfs', source: 'none' })
    })
    await expectError(t, b, /nosuchfs|no such device/)
    b.reconfigure((spec) => {
      spec.mounts.push({
        destination: '/tmp',
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['size=odd'],
      })
    })
    await expectError(t, b, /\/tmp.*invalid argument/)
  },
)

t.test('unknown members and any ociVersion are accepted', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['true'] })
  for (const version of ['1.0.0', '0.9.9', '99.0.0', 'odd', undefined]) {
    b.reconfigure((spec) => {
      set(spec, 'ociVersion', version)
      set(spec, 'unknownMember', { deep: [1] })
      set(spec.process, 'unknownMember', null)
      spec.process.args = ['true']
    })
    t.same(await b.tsrun('run', b.id), { code: 0, stdout: '', stderr: '' }, `${version}`)
  }
  await b.shell(
    `sed -i 's/"args"/"ARGS"/; s/"cwd"/"CWD"/' config.json && echo '{} trailing' >> config.json`,
  )
  t.match(
    await b.tsrun('run', b.id),
    { code: 0, stderr: '' },
    'case of keys, text behind the value',
  )
})
