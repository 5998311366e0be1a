/** H-39: hooks and programs hold no end of a terminal that is not theirs. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'
import { ConsoleSocket } from '../testing/terminal.ts'

const skip = needsContainers()

t.test('H-39 a terminal is no descriptor of hooks, its master of nobody', { skip }, async (t) => {
  const b = await withBundle(t)
  const log = `${b.dir}/hooks`
  const hook = { path: '/bin/sh', args: ['sh', '-c', `ls -l /proc/$$/fd >>${log}; true`] }
  b.reconfigure((spec) => {
    spec.process.terminal = true
    spec.hooks = { prestart: [hook], createRuntime: [hook], poststart: [hook] }
    // without the host's procfs: what the shell itself can tell
    spec.hooks.createContainer = [hook]
  })
  const socket = new ConsoleSocket(t, `${b.dir}/sock`)
  t.equal((await b.tsrun('create', '--console-socket', socket.path, b.id)).code, 0)
  const messages = socket.receive()
  t.same(
    messages.map(({ fds }) => fds.length),
    [1],
    'one message with one descriptor',
  )
  t.equal((await b.tsrun('start', b.id)).code, 0)
  const held = readFileSync(log, 'utf8')
  t.equal(held.match(/^total/gm)?.length, 4, held)
  t.notMatch(held, /pts|ptmx|tty/)
  const fds = await b.tsrun('exec', b.id, 'ls', '-l', '/proc/1/fd')
  t.notMatch(fds.stdout, /ptmx/)
  t.equal(fds.stdout.match(/ -> \/dev\/(pts\/0|console)$/gm)?.length, 3, fds.stdout)
  for (const { fds } of messages) for (const fd of fds) fd.close()
})
