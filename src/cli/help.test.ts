import t from 'tap'
import { type Command, defineCommand } from '../commands/define.ts'
import { commandHelp, programHelp } from './help.ts'
import { commandTable } from './table.ts'

const create: unknown = defineCommand({
  name: 'create',
  summary: 'create a container',
  usage: '<container-id>',
  description: 'Creates it.',
  args: { min: 1, max: 1 },
  options: {
    bundle: { type: 'string', alias: 'b', metavar: 'DIR', default: '.', summary: 'bundle' },
    secret: { type: 'flag', hidden: true, summary: 'not listed' },
  },
  run: () => 0,
})
const hidden = { ...(create as Command), name: 'internal', hidden: true }
const table = commandTable({
  create: async () => ({ default: create as Command }),
  internal: async () => ({ default: hidden }),
})

t.test('commandHelp() begins with what clients and tests look at', async (t) => {
  const lines = (await commandHelp('/usr/bin/tsrun', create as Command)).split('\n')
  t.equal(lines[0], 'NAME:')
  t.equal(lines[1], '   tsrun create - create a container')
  t.ok(lines.includes('   tsrun create [options] <container-id>'))
  t.ok(lines.includes('   Creates it.'))
})

t.test(
  'commandHelp() lists options with defaults, global ones apart, hidden ones not',
  async (t) => {
    const text = await commandHelp('tsrun', create as Command)
    t.match(text, /OPTIONS:\n(.*\n)* +-b, --bundle +bundle \(DIR\) .*\[default: "\."\]/)
    t.match(text, /-h, --help/)
    t.match(text, /GLOBAL OPTIONS:\n(.*\n)* +--systemd-cgroup/)
    t.notMatch(text, /secret|criu/)
  },
)

t.test('programHelp() has the fixed name, the commands and the options', async (t) => {
  const text = await programHelp('./x/tsrun', table)
  const lines = text.split('\n')
  t.equal(lines[0], 'NAME:')
  t.equal(lines[1], '   runc - Open Container Initiative runtime')
  t.match(text, /COMMANDS:\n +create +create a container\n +help /)
  t.match(text, /-v, --version/)
  t.notMatch(text, /internal|\n \[command\]/)
})

t.test('the global process is the real one again afterwards', async (t) => {
  const real = globalThis.process
  await commandHelp('tsrun', create as Command)
  t.equal(globalThis.process, real)
})
