import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { getTermios, setTerminalSize } from '../sys/terminal.ts'
import { leftovers } from '../testing/bundle.ts'
import { eventually, processStatus } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import { runAtTerminal, scripted, sitDown, terminalOf } from '../testing/terminal.ts'

const skip = needsContainers()

t.test('run at a terminal', { skip }, async (t) => {
  const b = await scripted(t, {
    script: 'tty; stty size; read line; echo "<$line>"; exit 7',
    change: (spec) => {
      spec.process.consoleSize = { height: 1, width: 2 }
    },
  })
  const { screen, peer, ended } = runAtTerminal(t, b, { height: 33, width: 99 })
  const before = getTermios(peer)
  await screen.shows('/dev/pts/0\r\n33 99\r\n')
  t.notSame(getTermios(peer), before, 'raw')
  screen.type('hello\r')
  await screen.shows('hello\r\n<hello>\r\n')
  t.equal(await ended, 7)
  t.same(getTermios(peer), before, 'as it was')
  t.equal(screen.text(), '/dev/pts/0\r\n33 99\r\nhello\r\n<hello>\r\n', 'echoed once')
  t.same(leftovers(b.dir, b.root, b.id), [])
})

t.test('keys and sizes reach the container', { skip }, async (t) => {
  const b = await scripted(t, {
    script: `trap 'echo got INT' INT; trap 'echo got WINCH; stty size' WINCH; trap 'echo got QUIT' QUIT
      trap 'exit 3' TERM; echo ready; while :; do sleep 0.02; done`,
  })
  const { screen, peer, pid, ended } = runAtTerminal(t, b)
  const before = getTermios(peer)
  await screen.shows('ready')
  screen.type('\x03')
  await screen.shows('got INT')
  screen.type('\x1c')
  await screen.shows('got QUIT')
  setTerminalSize(screen.master, { height: 50, width: 120 })
  await screen.shows('got WINCH\r\n50 120\r\n')
  process.kill(pid, 'SIGINT')
  await eventually('a second one', () => screen.text().split('got INT').length === 3)
  process.kill(pid, 'SIGTERM')
  t.equal(await ended, 3, 'ended by the container, on the signal')
  t.same(getTermios(peer), before)
})

t.test('job control works in the container', { skip }, async (t) => {
  const b = await scripted(t, { script: 'exec sh -i' })
  const { screen, ended } = runAtTerminal(t, b)
  await screen.shows('# ')
  const { pid } = await b.state()
  const foreground = (what: string, isShell: boolean): Promise<boolean> =>
    eventually(what, () => (terminalOf(pid).foreground === pid) === isShell)
  screen.type('sleep 1000\r')
  await foreground('the job has the terminal', false)
  screen.type('\x1a')
  await screen.shows('Stopped')
  await foreground('the shell has it again', true)
  screen.type('jobs\r')
  await screen.shows('[1]+')
  screen.type('fg\r')
  await foreground('the job is continued', false)
  screen.type('\x03')
  await foreground('the job is interrupted', true)
  t.notMatch(screen.text(), /job control turned off|can't access tty/)
  screen.type('exit 4\r')
  t.equal(await ended, 4)
})

t.test('a failed start leaves the terminal as it was', { skip }, async (t) => {
  const b = await scripted(t, { script: 'true' })
  b.reconfigure(({ process }) => {
    process.terminal = true
    process.args = ['/no/such/program']
  })
  const { screen, peer, ended } = runAtTerminal(t, b)
  const before = getTermios(peer)
  t.equal(await ended, 1)
  t.match(screen.text(), /no such file or directory/)
  t.same(getTermios(peer), before)
  t.same(leftovers(b.dir, b.root, b.id), [])
})

t.test('a container that is killed leaves the terminal as it was', { skip }, async (t) => {
  const b = await scripted(t, { script: 'echo up; sleep 1000' })
  const { screen, peer, ended } = runAtTerminal(t, b)
  const before = getTermios(peer)
  await screen.shows('up')
  t.equal((await b.tsrun('kill', b.id, 'KILL')).code, 0)
  t.equal(await ended, 137)
  t.same(getTermios(peer), before)
})

/** Output of a program that writes a lot and ends at once. */
const LINES = 150_000
const MANY = Array.from({ length: LINES }, (_, i) => `${i + 1}\n`).join('')

function digest(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex')
}

t.test('a megabyte comes out whole', { skip }, async (t) => {
  const b = await scripted(t, { script: `seq ${LINES}` })
  const { screen, ended } = runAtTerminal(t, b)
  await eventually('all is read', () => screen.text().length >= MANY.length + LINES, 20_000)
  t.equal(await ended, 0)
  t.equal(digest(screen.text()), digest(MANY.replaceAll('\n', '\r\n')))
})

t.test('a reader that is slow gets everything, too', { skip }, async (t) => {
  const b = await scripted(t, { script: `seq ${LINES}` })
  const command = `"$TSRUN" --root '${b.root}' run ${b.id} | (sleep 0.5; cat >'${b.dir}/out')`
  const { ended } = sitDown(t, ['sh', '-c', command], { cwd: b.dir })
  t.equal(await ended, 0)
  t.equal(digest(readFileSync(`${b.dir}/out`, 'latin1')), digest(MANY), 'newlines as written')
})

t.test('input that is more than the container takes at once', { skip }, async (t) => {
  const size = 200_000
  const b = await scripted(t, {
    script: `stty raw -echo; echo ready; sleep 0.5; head -c ${size} | sha256sum`,
  })
  const { screen, ended } = runAtTerminal(t, b)
  await screen.shows('ready')
  const text = Array.from({ length: size / 8 }, (_, i) => `${i}`.padStart(8, 'x')).join('')
  let typed = 0
  await eventually('all is typed', () => {
    typed += screen.type(text.slice(typed, typed + 3000))
    screen.text()
    return typed === size
  })
  await screen.shows(digest(text))
  t.equal(await ended, 0)
})

t.test('a reader that has gone does not stop the container', { skip }, async (t) => {
  const b = await scripted(t, { script: `seq ${LINES}; echo done >/proc/self/root/tmp/done` })
  const command = `"$TSRUN" --root '${b.root}' run ${b.id} | head -1; echo over`
  b.reconfigure((spec) => {
    spec.process.terminal = true
    spec.root.readonly = false
  })
  const { screen, ended } = sitDown(t, ['sh', '-c', command], { cwd: b.dir })
  t.equal(await ended, 0)
  t.match(screen.text(), /^1\r\nover\r\n$/)
  t.equal(readFileSync(`${b.rootfs}/tmp/done`, 'utf8'), 'done\n')
})

t.test('signals are passed on while nobody reads the output', { skip }, async (t) => {
  const b = await scripted(t, {
    script: `trap 'exit 5' TERM; seq ${LINES} & wait`,
  })
  const { screen, pid, ended } = runAtTerminal(t, b)
  // a terminal that is not read fills up; the container then waits
  const state = await eventually('it runs', () => existsSync(`${b.root}/${b.id}`) && b.state())
  await eventually('something to read', () => screen.text() !== '')
  await new Promise((done) => setTimeout(done, 300))
  process.kill(pid, 'SIGTERM')
  await eventually('the container ends', () => !existsSync(`/proc/${state.pid}/root/bin`))
  let code: number | undefined
  void ended.then((ended) => {
    code = ended
  })
  await eventually('another one ends the wait for a reader', () => {
    if (code === undefined) process.kill(pid, 'SIGTERM')
    return code !== undefined
  })
  t.equal(code, 5)
})

t.test('in the background of a terminal it stops until it is brought back', { skip }, async (t) => {
  const b = await scripted(t, { script: 'echo up; read line; echo "<$line>"; exit 6' })
  const command = `set -m; "$TSRUN" --root '${b.root}' run ${b.id} & echo "pid $!."; read go; fg; echo "code $?"`
  const { screen, peer, ended } = sitDown(t, ['sh', '-c', command], { cwd: b.dir })
  const before = getTermios(peer)
  await screen.shows('.\r\n')
  const pid = Number(/pid (\d+)/.exec(screen.text())?.[1])
  await eventually('it is stopped', () => processStatus(pid, 'State').startsWith('T'))
  t.same(getTermios(peer), before, 'the terminal is as the shell has it')
  screen.type('go\r')
  await screen.shows('up\r\n')
  screen.type('x\r')
  await screen.shows('<x>\r\ncode 6\r\n')
  t.equal(await ended, 0)
  t.same(getTermios(peer), before)
})

t.test('standard input is no terminal', { skip }, async (t) => {
  const b = await scripted(t, { script: 'stty size; tty; sleep 0.3; echo over' })
  const command = `"$TSRUN" --root '${b.root}' run ${b.id} </dev/null >'${b.dir}/out' 2>'${b.dir}/err'`
  const { peer, ended } = sitDown(t, ['sh', '-c', command], {
    cwd: b.dir,
    size: { height: 12, width: 34 },
  })
  const before = getTermios(peer)
  t.equal(await ended, 0)
  t.equal(readFileSync(`${b.dir}/out`, 'utf8'), '12 34\n/dev/pts/0\nover\n', 'size of /dev/tty')
  t.equal(readFileSync(`${b.dir}/err`, 'utf8'), '')
  t.same(getTermios(peer), before)
})

t.test('input from a pipe reaches the container', { skip }, async (t) => {
  const b = await scripted(t, { script: 'read a; read b; echo "<$a$b>"' })
  const command = `(echo one; sleep 0.2; echo two) | "$TSRUN" --root '${b.root}' run ${b.id}`
  const { screen, ended } = sitDown(t, ['sh', '-c', command], { cwd: b.dir })
  t.equal(await ended, 0)
  t.match(screen.text(), '<onetwo>\r\n')
})

t.test('run without any terminal is refused', { skip }, async (t) => {
  const b = await scripted(t, { script: 'true' })
  const { code, stderr } = await b.shell('exec setsid -w "$TSRUN" --root "$ROOT" run "$ID"')
  t.equal(code, 1)
  t.match(stderr, /runc run failed: open \/dev\/tty: no such device or address/)
  t.same(leftovers(b.dir, b.root, b.id), [])
})

/** Flags of the open file behind a descriptor. @see proc_pid_fdinfo(5) */
const STREAM_FLAGS = 'for fd in 0 1 2; do sed -n "s/^flags:\\t//p" /proc/$$/fdinfo/$fd; done'

t.test('nothing is left non-blocking', { skip }, async (t) => {
  const b = await scripted(t, { script: 'echo up; read line' })
  const command = `${STREAM_FLAGS}; "$TSRUN" --root '${b.root}' run ${b.id}; ${STREAM_FLAGS}`
  const { screen, peer, ended } = sitDown(t, ['sh', '-c', command], { cwd: b.dir })
  await screen.shows('up\r\n')
  const flags = readFileSync(`/proc/self/fdinfo/${peer.number}`, 'utf8')
  t.notMatch(flags, /^flags:\s+\d*4\d{3}$/m, 'while it runs')
  screen.type('\r')
  t.equal(await ended, 0)
  const [before = '', after = ''] = screen.text().split(/up\r\n\r?\n?/)
  t.equal(before.split('\r\n').length, 4)
  t.equal(after, before)
})

t.test('a terminal that is closed can be opened again', { skip }, async (t) => {
  const b = await scripted(t, {
    script: `exec sh -c 'exec <&- >&- 2>&-; sleep 0.3; exec <>/dev/console >&0 2>&0; echo back; read l; echo "<$l>"'`,
  })
  const { screen, ended } = runAtTerminal(t, b)
  await screen.shows('back')
  screen.type('x\r')
  await screen.shows('<x>')
  t.equal(await ended, 0)
})
