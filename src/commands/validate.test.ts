import t from 'tap'
import { specTemplate, templateText } from '../bundle/template.ts'
import validate from './validate.ts'

/** Runs the command on a bundle; returns its exit code and what it printed. */
async function run(bundle: string, format: string): Promise<{ code: number; output: string }> {
  let output = ''
  const quiet = () => undefined
  const log = { debugEnabled: false, debug: quiet, info: quiet, warning: quiet, error: quiet }
  const code = await validate.run({
    options: { bundle, format },
    args: [],
    runtime: {
      root: '/run/tsrun',
      rootIsExplicit: false,
      cgroupDriver: 'cgroupfs',
      rootless: 'auto',
      debug: false,
      log,
      program: 'tsrun',
      print: (text) => {
        output += text
      },
    },
  })
  return { code, output }
}

t.test('validate prints a line for each problem, with its place', async (t) => {
  const bundle = t.testdir({
    'config.json': '{"ociVersion": "1.3.0",\n "root": {"path": "none"}, "x": 1, "process": {}}',
  })
  const { code, output } = await run(bundle, 'text')
  t.equal(code, 1)
  t.match(output, 'config.json:2:33: warning: property "x" is not known and ignored (/x)\n')
  t.match(output, 'error: Cwd property must not be empty (/process/cwd)\n')
  t.match(output, `config.json:2:19: error: invalid rootfs: ${bundle}/none is not a directory`)
})

t.test('validate prints JSON', async (t) => {
  const { code, output } = await run(t.testdir({ 'config.json': '{' }), 'json')
  t.equal(code, 1)
  t.match(JSON.parse(output), [
    { severity: 'error', message: /^syntax error: /, pointer: '', position: /^config\.json:1:/ },
  ])
})

t.test('validate finds nothing wrong in the template', async (t) => {
  const spec = specTemplate({ hasCgroup2Only: false, rootless: undefined })
  const { user, ...process } = spec.process ?? {}
  t.same(user, { uid: 0, gid: 0 })
  const bundle = t.testdir({ 'config.json': templateText({ ...spec, process }), rootfs: {} })
  const { output } = await run(bundle, 'json')
  const errors = JSON.parse(output).filter(
    // whether this host has everything is not the question
    ({ message }: { message: string }) => !/this (kernel|host)|rootless/.test(message),
  )
  t.same(errors, [])
})

t.test('validate says that there is no file, or no text', async (t) => {
  t.match(await run(t.testdir({}), 'text'), {
    code: 1,
    output: 'config.json: error: JSON specification file config.json not found\n',
  })
  const bundle = t.testdir({ 'config.json': Buffer.from([0x22, 0xff, 0x22]) })
  t.match(await run(bundle, 'text'), { code: 1, output: /is not UTF-8/ })
  await t.rejects(run(bundle, 'xml'), { name: 'UsageError' })
})
