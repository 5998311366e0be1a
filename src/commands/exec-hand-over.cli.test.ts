/** What a further process gets from the caller: descriptors, a keyring; and a pidfd of it for somebody else. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { pidfdSendSignal } from '../sys/process.ts'
import { SIG } from '../sys/signal.ts'
import { running, withBundle } from '../testing/bundle.ts'
import { programPath, run, shell } from '../testing/cli.ts'
import { further } from '../testing/exec.ts'
import { eventually, isRunning } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'
import { ConsoleSocket } from '../testing/terminal.ts'

const skip = needsContainers()

t.test('--preserve-fds', { skip }, async (t) => {
  const b = await withBundle(t)
  await running(b, () => {})
  const script = `exec 3<$0/config.json 4<<X 6</dev/zero
four
X
exec $1 --root $2 exec --preserve-fds $3 $4 sh -c 'cat <&4; ls /proc/self/fd'`
  const call = (count: string) =>
    run(shell(script).slice(0, 3).concat(b.dir, programPath(), b.root, count, b.id))
  // the directory that is listed is one more
  t.same(await call('2'), { code: 0, stdout: 'four\n0\n1\n2\n3\n4\n5\n', stderr: '' })
  t.match(await call('3'), { code: 255, stderr: /unable to stat preserved-fd 2 \(of 3\): / })
  const env = { ...process.env, LISTEN_FDS: '2' }
  const options = { env }
  const { stdout } = await b.tsrunWith(options, 'exec', b.id, 'sh', '-c', 'echo "[$LISTEN_FDS]"')
  t.equal(stdout, '[]\n', 'sockets of an activation are not for it')
})

t.test('--pidfd-socket', { skip }, async (t) => {
  const b = await withBundle(t)
  const first = await running(b, () => {})
  const socket = new ConsoleSocket(t, join(b.dir, 'pidfd.sock'))
  const pid = await further(b, '--pidfd-socket', socket.path)
  const messages = socket.receive()
  const [{ fds: [pidfd] = [], text = '' } = {}] = messages
  t.equal(messages.length, 1)
  t.equal(text, 'setns')
  if (pidfd === undefined) return
  t.match(
    readFileSync(`/proc/self/fdinfo/${pidfd.number}`, 'utf8'),
    new RegExp(`^Pid:\\t${pid}$`, 'm'),
  )
  pidfdSendSignal(pidfd, SIG.KILL)
  pidfd.close()
  await eventually('it ends', () => !isRunning(pid))
  t.ok(isRunning(first), 'it alone')
  socket.close()
  t.match(await b.tsrun('exec', '--pidfd-socket', socket.path, b.id, 'true'), {
    code: 255,
    stderr: /exec failed: connect .*connection refused/,
  })
})

t.test('the session keyring is the container’s, or the caller’s', { skip }, async (t) => {
  const b = await withBundle(t, {
    configure: ({ linux }) => {
      delete linux.maskedPaths
    },
  })
  const keyring = async (id: string) =>
    (await b.tsrun('exec', id, 'sh', '-c', 'grep _ses /proc/keys')).stdout
  await b.tsrun('run', '-d', b.id)
  const own = await keyring(b.id)
  t.match(own, `_ses.${b.id}`)
  t.equal(serialOf(await keyring(b.id)), serialOf(own), 'the same each time')
  await b.tsrun('run', '-d', '--no-new-keyring', `${b.id}2`)
  t.notMatch(await keyring(`${b.id}2`), `_ses.${b.id}2`)
})

/** @see proc_keys(5) */
function serialOf(line: string): string | undefined {
  return line.split(' ')[0]
}

const NOEXEC =
  'unshare --pid --fork --mount --mount-proc sh -c "echo 2 >/proc/sys/vm/memfd_noexec && $1"'

t.test('where no memfd may be executed', { skip }, async (t) => {
  const { code: refused } = await run(shell(NOEXEC.replace('$1', 'true')))
  if (refused !== 0) return t.comment('vm.memfd_noexec cannot be set here')
  const b = await withBundle(t)
  const program = "'$TSRUN' --root '$ROOT'"
  const script = `${program} run -d '$ID' >/dev/null && ${program} exec -u 1000 '$ID' sh -c 'cat /proc/self/status; exit 9'`
  const { code, stdout, stderr } = await b.shell(
    NOEXEC.replace('$1', script.replaceAll(/'(\$\w+)'/g, '$1').replaceAll('"', '\\"')),
  )
  t.match({ code, stderr }, { code: 9, stderr: '' })
  t.match(stdout, /^Uid:\t1000\t1000/m)
  t.match(stdout, /^CapEff:\t0000000000000000$/m)
  t.match(stdout, /^CapBnd:\t0000000020000420$/m)
})
