import { readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { containersBelow, leftovers, type TestBundle, withBundle } from '../testing/bundle.ts'
import { cgroupsOf, isRunning, processesNaming } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

function nothingLeft(t: Test, { dir, root, id }: TestBundle): void {
  t.same(leftovers(dir, root, id), [], 'nothing is left behind')
}

t.test('create makes a container that waits, start runs its program', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['sh', '-c', 'echo begun > /tmp/mark; exec sleep 1000'] })
  b.reconfigure((spec) => {
    spec.root.readonly = false
    spec.process.args = ['sh', '-c', 'echo begun > /tmp/mark; exec sleep 1000']
  })
  t.same(await b.tsrun('create', b.id), { code: 0, stdout: '', stderr: '' })
  const created = await b.state()
  t.equal(created.status, 'created')
  t.ok(isRunning(created.pid))
  for (const [controllers, path] of cgroupsOf(created.pid)) {
    t.ok(path.endsWith(`/${b.id}`), `in a cgroup of its own: ${controllers} ${path}`)
  }
  t.throws(() => readFileSync(join(b.rootfs, 'tmp/mark')), 'the program does not run yet')

  t.same(await b.tsrun('start', b.id), { code: 0, stdout: '', stderr: '' })
  t.match(await b.state(), { status: 'running', pid: created.pid, created: created.created })
  t.match(await b.tsrun('start', b.id), {
    code: 1,
    stdout: '',
    stderr: /cannot start an already running container/,
  })
  process.kill(created.pid, 'SIGKILL')
  await waitForStatus(b, 'stopped')
  t.match(await b.tsrun('start', b.id), {
    code: 1,
    stderr: /cannot start a container that has stopped/,
  })
  t.same(await b.tsrun('delete', b.id), { code: 0, stdout: '', stderr: '' })
  t.match(await b.tsrun('start', b.id), { code: 1, stderr: /container does not exist/ })
  nothingLeft(t, b)
})

async function waitForStatus(b: TestBundle, status: string): Promise<void> {
  for (let tries = 0; (await b.state()).status !== status; tries++) {
    if (tries > 100) throw new Error(`never ${status}`)
  }
}

t.test(
  'create takes config.json as it was: later changes are without effect',
  { skip },
  async (t) => {
    const b = await withBundle(t, { args: ['sh', '-c', 'exec sleep 1000'] })
    await b.tsrun('create', b.id)
    writeFileSync(join(b.dir, 'config.json'), 'no JSON at all')
    t.equal((await b.tsrun('start', b.id)).code, 0)
    t.equal((await b.state()).status, 'running')
    t.equal((await b.tsrun('delete', '--force', b.id)).code, 0)
  },
)

t.test('create refuses an id that is taken, and leaves its owner alone', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  const { pid } = await b.state()
  t.match(await b.tsrun('create', b.id), {
    code: 1,
    stdout: '',
    stderr:
      /^time="[^"]+" level=error msg="runc create failed: container with given ID already exists"\n$/,
  })
  t.match(await b.state(), { status: 'created', pid })
})

t.test(
  'create accepts letters, digits and _+-. in an id, and nothing else',
  { skip },
  async (t) => {
    const b = await withBundle(t)
    const bad = [
      '.',
      '..',
      '../evil',
      'a/b',
      'a b',
      '/abs',
      'a\n',
      'é',
      'a:b',
      'a'.repeat(300),
      './a',
    ]
    for (const id of bad) {
      const outcome = await b.tsrun('create', '--', id)
      t.equal(outcome.code, 1, JSON.stringify(id))
      t.match(outcome.stderr, /invalid container ID format|file name too long/)
      t.equal(outcome.stderr.split('\n').length, 2, 'one line')
    }
    t.match(await b.tsrun('create', ''), { code: 1, stderr: /container id cannot be empty/ })
    t.same(containersBelow(b.root), [])
    for (const id of [`${b.id}_A.b+c-9`, `${b.id}..`]) {
      t.equal((await b.tsrun('create', id)).code, 0, id)
      t.equal((await b.state(id)).id, id)
    }
  },
)

t.test('create needs exactly one id', { skip }, async (t) => {
  const b = await withBundle(t)
  for (const args of [[], [b.id, 'more']]) {
    const { code, stdout, stderr } = await b.tsrun('create', ...args)
    t.equal(code, 1)
    t.match(stdout, /^Incorrect Usage\.\n\nNAME:/)
    t.match(stderr, /\\"create\\" requires exactly 1 argument/)
  }
  t.match(await b.tsrun('create', '--detach', b.id), {
    code: 1,
    stderr: /flag provided but not defined: -detach/,
  })
})

t.test('create keeps its files from others whatever the umask (T-24)', { skip }, async (t) => {
  const b = await withBundle(t)
  const mode = (...path: string[]) => statSync(join(b.root, ...path)).mode & 0o7777
  t.equal((await b.shell('umask 0; exec "$TSRUN" --root "$ROOT" create "$ID"')).code, 0)
  t.equal(mode(), 0o700, 'root')
  t.equal(mode(b.id), 0o711, 'container')
  t.equal(mode(b.id, 'state.json'), 0o600)
  t.equal(mode(b.id, 'exec.fifo') & 0o555, 0o400, 'the fifo is not readable by others')
  t.equal((await b.shell('umask 777; exec "$TSRUN" --root "$ROOT" start "$ID"')).code, 0)
})

t.test('create works below a umask that forbids everything', { skip }, async (t) => {
  const b = await withBundle(t)
  t.same(await b.shell('umask 777; exec "$TSRUN" --root "$ROOT" create "$ID"'), {
    code: 0,
    stdout: '',
    stderr: '',
  })
  t.equal(statSync(b.root).mode & 0o777, 0o700)
})

t.test('create --pid-file', { skip }, async (t) => {
  await t.test('holds the pid without a newline', async (t) => {
    const b = await withBundle(t)
    await b.tsrun('create', '--pid-file', join(b.dir, 'pid'), b.id)
    t.equal(readFileSync(join(b.dir, 'pid'), 'utf8'), `${(await b.state()).pid}`)
  })
  await t.test('is relative to the caller, not to the bundle', async (t) => {
    const b = await withBundle(t)
    const cwd = join(b.dir, 'rootfs/tmp')
    const outcome = await b.tsrunWith({ cwd }, 'create', '-b', b.dir, '--pid-file', 'p', b.id)
    t.equal(outcome.code, 0)
    t.equal(readFileSync(join(cwd, 'p'), 'utf8'), `${(await b.state()).pid}`)
  })
  await t.test('replaces a symlink at its name instead of following it (H-20)', async (t) => {
    const b = await withBundle(t)
    const [link, target] = [join(b.dir, 'pid'), join(b.dir, 'target')]
    writeFileSync(target, 'untouched')
    symlinkSync(target, link)
    t.equal((await b.tsrun('create', '--pid-file', link, b.id)).code, 0)
    t.equal(readFileSync(target, 'utf8'), 'untouched')
    t.throws(() => readlinkSync(link), { code: 'EINVAL' })
  })
  await t.test('that cannot be written undoes the container', async (t) => {
    const b = await withBundle(t)
    const outcome = await b.tsrun('create', '--pid-file', join(b.dir, 'no/such/pid'), b.id)
    t.equal(outcome.code, 1)
    t.match(outcome.stderr, /no such file or directory/)
    nothingLeft(t, b)
  })
  await t.test('fails while another writer holds its temporary name', async (t) => {
    const b = await withBundle(t)
    writeFileSync(join(b.dir, '.pid'), '')
    t.match(await b.tsrun('create', '--pid-file', join(b.dir, 'pid'), b.id), {
      code: 1,
      stderr: /file exists/,
    })
    nothingLeft(t, b)
  })
})

t.test('--root', { skip }, async (t) => {
  const b = await withBundle(t)
  for (const root of ['/', '', '/../', '//']) {
    t.match(await b.tsrunWith({}, '--root', root, 'create', b.id), {
      code: 1,
      stderr: /Option --root argument should not be set to \//,
    })
  }
  await t.test('is made with its parents, mode 0700', async (t) => {
    const deep = await withBundle(t)
    const root = join(deep.dir, 'state/a/b')
    t.equal((await deep.tsrun('--root', root, 'create', deep.id)).code, 0)
    t.equal(statSync(root).mode & 0o7777, 0o700)
    t.equal((await deep.tsrun('--root', root, 'delete', '-f', deep.id)).code, 0)
    t.equal((await deep.shell('rm -r "$ROOT"')).code, 0)
  })
  await t.test('may be relative, and separates containers', async (t) => {
    const relative = await withBundle(t)
    t.equal((await relative.tsrun('--root', './state', 'create', relative.id)).code, 0)
    t.equal((await relative.state()).status, 'created', 'found by the absolute path')
    t.match(await relative.tsrun('--root', `${relative.dir}/other`, 'state', relative.id), {
      code: 1,
      stderr: /container does not exist/,
    })
  })
})

t.test('two starts at once: one wins (H-23)', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  const outcomes = await Promise.all([b.tsrun('start', b.id), b.tsrun('start', b.id)])
  t.same(outcomes.map(({ code }) => code).sort(), [0, 1])
  t.equal((await b.state()).status, 'running')
})

t.test('two creates of one id at once: one wins', { skip }, async (t) => {
  const b = await withBundle(t)
  const outcomes = await Promise.all([1, 2, 3].map(() => b.tsrun('create', b.id)))
  t.same(outcomes.map(({ code }) => code).sort(), [0, 1, 1])
  for (const { code, stderr } of outcomes) {
    if (code === 1) t.match(stderr, /container with given ID already exists/)
  }
  t.equal(processesNaming(b.id).length, 1)
})
