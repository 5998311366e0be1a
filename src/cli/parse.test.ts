import t from 'tap'
import { ContainerError, UsageError } from '../base/errors.ts'
import { type Command, defineCommand } from '../commands/define.ts'
import { checkArguments, parseCommandLine, type Wanted } from './parse.ts'
import { commandTable } from './table.ts'

const common = { summary: 's', usage: '<container-id>', run: () => 0 }
const update = defineCommand({
  ...common,
  name: 'update',
  args: { min: 1, max: 1 },
  options: {
    memory: { type: 'string', alias: 'm', summary: 's' },
    'memory-swap': { type: 'string', summary: 's' },
    resources: { type: 'string', alias: 'r', summary: 's' },
    pids: { type: 'integer', default: 0, summary: 's' },
    cap: { type: 'list', alias: 'c', summary: 's' },
    'no-pivot': { type: 'flag', summary: 's' },
    detach: { type: 'flag', alias: 'd', summary: 's' },
    tty: { type: 'flag', alias: 't', summary: 's' },
  },
})
const exec = defineCommand({
  ...common,
  name: 'exec',
  args: { min: 1 },
  stopAtPositional: true,
  options: {
    tty: { type: 'flag', alias: 't', summary: 's' },
    gids: { type: 'integers', alias: 'g', summary: 's' },
    'no-new-privs': { type: 'flag', optional: true, summary: 's' },
  },
})
const spec = defineCommand({
  ...common,
  name: 'spec',
  args: { min: 0, max: 0 },
  options: { rootless: { type: 'flag', summary: 's' } },
})

const loaded: string[] = []
const loader = (command: unknown) => async () => {
  loaded.push((command as Command).name)
  return { default: command as Command }
}
const table = commandTable({ update: loader(update), exec: loader(exec), spec: loader(spec) })
const parse = (...words: string[]) => parseCommandLine(words, table)

async function command(...words: string[]): Promise<Extract<Wanted, { kind: 'command' }>> {
  const wanted = await parse(...words)
  if (wanted.kind !== 'command') throw new Error(`${wanted.kind} instead of a command`)
  return wanted
}

async function refusal(...words: string[]): Promise<UsageError> {
  try {
    await parse(...words)
  } catch (error) {
    if (error instanceof UsageError) return error
    throw error
  }
  throw new Error('not refused')
}

async function helpOf(...words: string[]): Promise<string> {
  const wanted = await parse(...words)
  if (wanted.kind !== 'help') throw new Error(`${wanted.kind} instead of help`)
  return wanted.command?.name ?? ''
}

t.test('flags and positionals may be mixed', async (t) => {
  const { options, args } = await command('update', 'c1', '--memory', '1', '-d')
  t.match(options, { memory: '1', detach: true })
  t.same(args, ['c1'])
})

t.test('flags end at the first positional where the command says so', async (t) => {
  const { options, args } = await command('exec', '-t', 'c1', 'ls', '-t', '--bogus', '--')
  t.match(options, { tty: true })
  t.same(args, ['c1', 'ls', '-t', '--bogus', '--'])
  t.same((await command('exec', 'c1', '-t')).args, ['c1', '-t'])
  t.match((await command('exec', 'c1', '-t')).options, { tty: false })
  t.same((await command('exec', 'c1', '--', 'ls')).args, ['c1', 'ls'])
})

t.test('integers repeat; an optional flag that is absent is not false', async (t) => {
  const { options } = await command('exec', '-g', '1', '--gids=-0x2', 'c1')
  t.same(options, { tty: false, gids: [1, -2] })
  const { options: given } = await command('exec', '--no-new-privs=false', 'c1')
  t.same(given, { tty: false, gids: [], 'no-new-privs': false })
  t.match(await refusal('exec', '-g', '1,2', 'c1'), {
    message: 'invalid value "1,2" for flag -g: strconv.ParseInt: parsing "1,2": invalid syntax',
  })
})

t.test('-- ends flags and is consumed', async (t) => {
  t.same((await command('update', '--', '--memory', 'c1')).args, ['--memory', 'c1'])
  t.same((await command('--', 'update', 'c1')).args, ['c1'])
  t.same((await command('update', '--', '--', 'c1')).args, ['--', 'c1'])
})

t.test('a long name may follow one dash, a value may follow =', async (t) => {
  t.match((await command('update', '-no-pivot', '-memory=1')).options, {
    'no-pivot': true,
    memory: '1',
  })
  t.match((await command('-log=x', '--root=/a=b', 'update')).globals, { log: 'x', root: '/a=b' })
  t.match((await command('update', '--m', '1')).options, { memory: '1' })
  t.match((await command('update', '--memory=')).options, { memory: '' })
})

t.test('a value is the next word, whatever it looks like', async (t) => {
  const { options, args } = await command(
    'update',
    '--memory-swap',
    '-1',
    '-r',
    '-',
    '-m',
    '--',
    'c',
  )
  t.match(options, { 'memory-swap': '-1', resources: '-', memory: '--' })
  t.same(args, ['c'])
  t.match((await command('update', '-m', '--help')).options, { memory: '--help' })
  t.match((await command('--log', 'update', 'spec')).globals, { log: 'update' })
})

t.test('a flag takes a value only after =', async (t) => {
  const { options, args } = await command('update', '-d', 'false', '--tty=F', '--no-pivot=')
  t.match(options, { detach: true, tty: false, 'no-pivot': true })
  t.same(args, ['false'])
})

t.test('lists grow by repetition, commas are literal; other options take the last', async (t) => {
  const { options } = await command('update', '-c', 'a,b', '--cap', 'c', '-m', '1', '-m', '2')
  t.match(options, { cap: ['a,b', 'c'], memory: '2' })
})

t.test('absent options have their defaults', async (t) => {
  const { options, globals } = await command('update')
  t.same(options, { pids: 0, cap: [], 'no-pivot': false, detach: false, tty: false })
  t.same(globals, {
    'cgroup-manager': 'cgroupfs',
    debug: false,
    log: '',
    'log-format': 'text',
    'systemd-cgroup': false,
    rootless: 'auto',
  })
})

t.test('integers are written as in Go', async (t) => {
  t.match((await command('update', '--pids', '0x10')).options, { pids: 16 })
  t.match((await command('update', '--pids=-1')).options, { pids: -1 })
})

t.test('a word like a negative number ends flags', async (t) => {
  const { options, args } = await command('update', 'c1', '-5', '--detach')
  t.same(args, ['c1', '-5', '--detach'])
  t.match(options, { detach: false })
})

t.test('a lone dash and an empty word are positionals', async (t) => {
  t.same((await command('update', '-', '', '-d')).args, ['-', ''])
})

t.test('global flags may follow the command unless it has one of that name', async (t) => {
  const wanted = await command('--debug', 'update', 'c1', '--root', '/r', '-log-format', 'json')
  t.match(wanted.globals, { debug: true, root: '/r', 'log-format': 'json' })
  t.same(wanted.args, ['c1'])
  const own = await command('--rootless', 'true', 'spec', '--rootless')
  t.match(own.globals, { rootless: 'true' })
  t.match(own.options, { rootless: true })
})

t.test('--criu is accepted', async (t) => {
  t.equal((await command('--criu', '/usr/sbin/criu', 'spec')).command.name, 'spec')
})

t.test('names of object members are no options and no commands', async (t) => {
  t.equal(
    (await refusal('update', '--constructor')).message,
    'flag provided but not defined: -constructor',
  )
  t.match(await parse('toString'), { kind: 'unknown', name: 'toString' })
})

t.test('an undefined flag', async (t) => {
  const message = 'flag provided but not defined: -bogus'
  const heading = `Incorrect Usage: ${message}`
  t.match(await refusal('update', '--bogus=1', 'c'), {
    message,
    heading,
    help: 'update',
    exitCode: 1,
  })
  t.match(await refusal('-bogus', 'update'), { message, heading, help: '', exitCode: 1 })
  t.equal((await refusal('update', '-dt')).message, 'flag provided but not defined: -dt')
  t.equal((await refusal('update', '-v')).message, 'flag provided but not defined: -v')
})

t.test('a flag without its value is named as typed', async (t) => {
  t.match(await refusal('update', '--memory'), {
    message: 'flag needs an argument: --memory',
    heading: 'Incorrect Usage: flag needs an argument: --memory',
    help: 'update',
  })
  t.equal((await refusal('update', 'c', '-m')).message, 'flag needs an argument: -m')
  t.equal((await refusal('--log')).message, 'flag needs an argument: --log')
})

t.test('a bad value', async (t) => {
  t.match(await refusal('update', '--pids', 'x'), {
    message: 'invalid value "x" for flag -pids: strconv.ParseInt: parsing "x": invalid syntax',
    help: 'update',
  })
  t.equal((await refusal('update', '-d=2')).message, 'invalid value "2" for flag -d: parse error')
})

t.test('wrong number of positionals', async (t) => {
  const refuse = (command: unknown, args: string[]) => () =>
    checkArguments(command as Command, args, './tsrun')
  const heading = 'Incorrect Usage.'
  t.throws(refuse(update, []), {
    message: './tsrun: "update" requires exactly 1 argument(s)',
    heading,
    help: 'update',
    exitCode: 1,
  })
  t.throws(refuse(exec, []), { message: './tsrun: "exec" requires a minimum of 1 argument(s)' })
  const kill = { ...update, name: 'kill', args: { min: 1, max: 2 } }
  t.throws(refuse(kill, ['a', 'b', 'c']), {
    message: './tsrun: "kill" requires a maximum of 2 argument(s)',
  })
  t.doesNotThrow(refuse(kill, ['a', 'b']))
  t.doesNotThrow(refuse(spec, []))
})

t.test('an empty id', async (t) => {
  t.throws(
    () => checkArguments(exec as Command, ['', 'ls'], 'x'),
    new ContainerError('invalid-id', 'container id cannot be empty'),
  )
})

t.test('an unknown command is found out after the global flags were read', async (t) => {
  t.match(await parse('--log', 'f', 'foo'), { kind: 'unknown', name: 'foo', globals: { log: 'f' } })
  for (const words of [['version'], ['foo', '-h'], ['-h', 'foo'], ['help', 'foo'], ['-5']])
    t.match(await parse(...words), { kind: 'unknown' }, words.join(' '))
})

t.test('help of the program', async (t) => {
  for (const words of [
    [],
    ['help'],
    ['h'],
    ['-h'],
    ['--help'],
    ['-help'],
    ['--debug'],
    ['-h', '-v'],
  ])
    t.equal(await helpOf(...words), '', words.join(' '))
  t.equal(await helpOf('-h', '--bogus'), '', 'asked for before the mistake')
})

t.test('help of a command', async (t) => {
  for (const words of [
    ['update', '-h'],
    ['update', '--help'],
    ['update', 'c1', '--help'],
    ['-h', 'update'],
    ['help', 'update'],
    ['h', 'update'],
    ['update', 'help'],
    ['update', 'h'],
    ['update', '-d', 'help'],
    ['update', '-h', '--bogus'],
  ])
    t.equal(await helpOf(...words), 'update', words.join(' '))
  t.equal(await helpOf('exec', 'help'), 'exec')
  t.same((await command('update', '--', 'help')).args, ['help'])
  t.same((await command('update', 'c1', 'help')).args, ['c1', 'help'])
  t.same((await command('exec', 'c1', '-h')).args, ['c1', '-h'])
})

t.test('the version', async (t) => {
  for (const words of [['-v'], ['--version'], ['--version', 'update'], ['--debug', '-version']])
    t.equal((await parse(...words)).kind, 'version', words.join(' '))
})

t.test('only the module of the command named is loaded', async (t) => {
  loaded.length = 0
  await parse('spec')
  await parse('-v')
  await parse('foo')
  t.same(loaded, ['spec'])
})
