import t from 'tap'
import { SpecError, StepError, SyscallError, UsageError } from '../base/errors.ts'
import type { Format } from './record.ts'
import { createLog, errorFields, errorText, logFormat, reportError } from './report.ts'

const enoent = () =>
  new SyscallError('open_tree', '/srv/x', 2, 'ENOENT', 'no such file or directory')

function capture(format: Format = 'text', debug = false, terminal = false) {
  const lines: string[] = []
  const log = createLog({
    format,
    debug,
    func: 'create',
    write: (line) => lines.push(line),
    isTerminal: () => terminal,
    started: Date.now(),
  })
  return { lines, log }
}

t.test('logFormat() takes text, json and nothing', async (t) => {
  t.equal(logFormat('text'), 'text')
  t.equal(logFormat(''), 'text')
  t.equal(logFormat('json'), 'json')
  t.throws(() => logFormat('xml'), { message: 'invalid log-format: xml' })
})

t.test('createLog() drops debug records unless asked for, and adds func only then', async (t) => {
  const quiet = capture()
  quiet.log.debug('d')
  quiet.log.warning('w', { pid: 7 })
  t.equal(quiet.lines.length, 1)
  t.match(quiet.lines[0], / level=warning msg=w pid=7\n$/)
  const loud = capture('json', true)
  loud.log.debug('d')
  loud.log.debug('e', { func: 'mounts[3]' })
  t.match(JSON.parse(loud.lines[0] ?? ''), { level: 'debug', msg: 'd', func: 'create' })
  t.match(JSON.parse(loud.lines[1] ?? ''), { func: 'mounts[3]' })
})

t.test('createLog() writes for a person on a terminal, but never in JSON', async (t) => {
  const person = capture('text', false, true)
  person.log.info('hello')
  t.match(person.lines[0], /INFO.*\[0000\] hello {10}/)
  const program = capture('json', false, true)
  program.log.info('hello')
  t.match(program.lines[0], /^\{"level":"info"/)
})

t.test('errorText() has prefix, message and position', async (t) => {
  t.equal(errorText(new Error('x'), 'runc create failed'), 'runc create failed: x')
  const step = new StepError('mount', '/mounts/3', 'open_tree /srv/x: no such file', enoent())
  step.position = 'config.json:41:7'
  t.equal(errorText(step), 'open_tree /srv/x: no such file (config.json:41:7)')
  const spec = new SpecError('bad type', '/mounts/0/type', 'config.json:41:7')
  t.equal(errorText(new Error('load', { cause: spec })), 'load (config.json:41:7)')
  t.equal(errorText('a string'), 'a string')
})

t.test('errorFields() tells step, place and system call', async (t) => {
  const step = new StepError('mount', '/mounts/3', 'mounts[3]', enoent())
  t.same(errorFields(new Error('create', { cause: step })), {
    step: 'mount',
    config: '/mounts/3',
    syscall: 'open_tree',
    errno: 'ENOENT',
  })
  t.same(errorFields(new SpecError('bad', '/root', 'config.json:2:3')), {
    config: '/root',
    position: 'config.json:2:3',
  })
  t.same(errorFields(new Error('plain')), {})
})

t.test('reportError() without --log writes one record and no bare text', async (t) => {
  const { log, lines } = capture()
  const command = { errorPrefix: 'exec failed', errorExitCode: 255 }
  t.equal(reportError(enoent(), { log, format: 'text', command }), 255)
  t.equal(lines.length, 1)
  t.match(
    lines[0],
    / level=error msg="exec failed: open_tree \/srv\/x: no such file or directory"\n$/,
  )
})

t.test('reportError() with --log adds the bare text on stderr', async (t) => {
  const { log, lines } = capture('json')
  const stderr: string[] = []
  const code = reportError(new Error('a\nb\x1b[2J'), {
    log,
    format: 'json',
    stderr: (text) => stderr.push(text),
  })
  t.equal(code, 1)
  t.same(stderr, ['a\nb\\x1b[2J\n'])
  t.equal(lines.length, 1)
  t.match(JSON.parse(lines[0] ?? ''), { level: 'error', msg: 'a\nb\x1b[2J' })
})

t.test('reportError() puts machine-readable fields in JSON only', async (t) => {
  const json = capture('json')
  reportError(enoent(), { log: json.log, format: 'json' })
  t.match(JSON.parse(json.lines[0] ?? ''), { errno: 'ENOENT', syscall: 'open_tree' })
  const text = capture()
  reportError(enoent(), { log: text.log, format: 'text' })
  t.notMatch(text.lines[0], /ENOENT/)
})

t.test('reportError() under --debug gives the stack before the one error record', async (t) => {
  const { log, lines } = capture('json', true)
  reportError(new Error('x'), { log, format: 'json' })
  t.same(
    lines.map((line) => JSON.parse(line).level),
    ['debug', 'error'],
  )
})

t.test('reportError() leaves usage errors without prefix, with their own exit code', async (t) => {
  const { log, lines } = capture()
  const error = new UsageError("No help topic for 'foo'", { exitCode: 3 })
  const command = { errorPrefix: 'runc create failed', errorExitCode: 255 }
  t.equal(reportError(error, { log, format: 'text', command }), 3)
  t.match(lines[0], / level=error msg="No help topic for 'foo'"\n$/)
})
