import t from 'tap'
import { type TestSpec, withBundle } from '../testing/bundle.ts'
import { run, shell } from '../testing/cli.ts'
import { needsContainers } from '../testing/needs.ts'

/** The setting is one of the pid namespace (Linux 6.3). */
const NOEXEC =
  'unshare --pid --fork --mount --mount-proc sh -c "echo 2 > /proc/sys/vm/memfd_noexec && $1"'

async function needsSetting(): Promise<string | false> {
  const { code } = await run(shell(NOEXEC.replace('$1', 'true')))
  return code !== 0 && 'vm.memfd_noexec cannot be set for a pid namespace'
}

const skip = needsContainers() || (await needsSetting())

t.test('a container starts where no memfd may be executed', { skip }, async (t) => {
  const b = await withBundle(t, {
    args: [
      'sh',
      '-c',
      'cat /proc/self/status; cat /proc/sys/vm/memfd_noexec; echo fds /proc/self/fd/*',
    ],
    configure: ({ process }) => {
      process.user = { uid: 1000, gid: 1000 }
    },
  })
  const { code, stdout, stderr } = await b.shell(
    NOEXEC.replace('$1', "'$TSRUN' --root '$ROOT' run '$ID'"),
  )
  t.match({ code, stderr }, { code: 0, stderr: '' })
  t.match(stdout, /Uid:\t1000\t1000/)
  t.match(stdout, /CapBnd:\t0000000020000420/)
  t.match(stdout, /CapEff:\t0000000000000000/)
  t.match(stdout, /^2$/m)
  // the last is the directory that the shell reads
  t.match(stdout, 'fds /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n')
})

/** Lists the directories that process `pid` has open: nobody but tsrun opens any. */
const OPEN_DIRECTORIES = (pid: string): string =>
  `ls /proc/${pid}/fd > /dev/null && for fd in /proc/${pid}/fd/*; do [ ! -d $fd/. ] || echo $fd; done`

function withPtrace({ process }: TestSpec): void {
  const set = ['CAP_SYS_PTRACE']
  process.capabilities = { bounding: set, effective: set, permitted: set }
}

t.test(
  'hooks of the container find no directory of the host',
  { skip: needsContainers() },
  async (t) => {
    const b = await withBundle(t, {
      args: ['cat', '/tmp/found'],
      configure(spec) {
        withPtrace(spec)
        spec.root.readonly = false
        const script = `(${OPEN_DIRECTORIES('1')}) > /tmp/found 2>&1`
        spec.hooks = { startContainer: [{ path: '/bin/sh', args: ['sh', '-c', script] }] }
      },
    })
    // what the caller leaves open is closed as well
    const { code, stdout, stderr } = await b.shell('exec 9< /; "$TSRUN" --root "$ROOT" run "$ID"')
    t.match({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' })
  },
)

t.test('nor does a neighbour where no memfd may be executed', { skip }, async (t) => {
  const b = await withBundle(t, { configure: withPtrace })
  const script =
    '$TSRUN --root $ROOT create $ID; ' +
    // the container has not been started: its first process is the engine still
    `$TSRUN --root $ROOT exec $ID sh -c "${OPEN_DIRECTORIES('1').replaceAll('$', '\\$')}"; ` +
    '$TSRUN --root $ROOT delete --force $ID'
  const { stdout, stderr } = await b.shell(`unshare --pid --fork --mount --mount-proc sh -c '
    echo 2 > /proc/sys/vm/memfd_noexec && ${script}'`)
  t.match({ stdout, stderr }, { stdout: '', stderr: '' })
})
