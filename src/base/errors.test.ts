import t from 'tap'
import {
  ContainerError,
  during,
  messageOf,
  SpecError,
  StepError,
  SyscallError,
  syscallErrorOf,
  UsageError,
} from './errors.ts'

const enoent = new SyscallError('open', '/x', 2, 'ENOENT', 'no such file or directory')

t.test('SyscallError composes its text of call, subject and words', async (t) => {
  t.equal(enoent.message, 'open /x: no such file or directory')
  t.equal(new SyscallError('fork', '', 11, 'EAGAIN', 'again').message, 'fork: again')
  t.match(enoent, { name: 'SyscallError', errno: 2, code: 'ENOENT', subject: '/x' })
})

t.test('messageOf() gives the text of anything thrown', async (t) => {
  t.equal(messageOf(new Error('words')), 'words')
  t.equal(messageOf('text'), 'text')
  t.equal(messageOf(undefined), 'undefined')
})

t.test('during() puts what was done before the message, and keeps the cause', async (t) => {
  t.equal(
    during('adding', () => 1 + 1),
    2,
  )
  const thrown = t.throws(() =>
    during('reading state', () => {
      throw enoent
    }),
  ) as unknown as Error
  t.equal(thrown.message, 'reading state: open /x: no such file or directory')
  t.equal(thrown.cause, enoent)
})

t.test('syscallErrorOf() finds the failure below its wrappings', async (t) => {
  const step = new StepError('open', '/root', 'wrapped', enoent)
  t.equal(syscallErrorOf(new Error('outer', { cause: step })), enoent)
  t.equal(syscallErrorOf(enoent), enoent)
  t.equal(syscallErrorOf(new Error('other')), undefined)
  t.equal(syscallErrorOf('text'), undefined)
})

t.test('errors carry what callers branch on', async (t) => {
  t.match(new ContainerError('exists', 'taken'), { reason: 'exists', message: 'taken' })
  t.match(new SpecError('bad', '/process/cwd'), { pointer: '/process/cwd', position: undefined })
  t.match(new UsageError('wrong'), { exitCode: 1, help: undefined, heading: undefined })
  t.match(new UsageError('wrong', { exitCode: 3, help: 'run' }), { exitCode: 3, help: 'run' })
})
