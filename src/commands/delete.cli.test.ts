import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { leftovers, type TestBundle, withBundle } from '../testing/bundle.ts'
import { cgroupsOf, eventually, isRunning, processesNaming } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()
const MISSING = /level=error msg="container does not exist"\n$/

function nothingLeft(t: Test, { dir, root, id }: TestBundle): void {
  t.same(leftovers(dir, root, id), [], 'nothing is left behind')
}

t.test('delete removes a created container, and its waiting process', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  const { pid } = await b.state()
  t.same(await b.tsrun('delete', b.id), { code: 0, stdout: '', stderr: '' })
  t.notOk(isRunning(pid))
  nothingLeft(t, b)
})

t.test('delete refuses a running container, --force does not', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('run', '-d', b.id)
  const { pid } = await b.state()
  t.match(await b.tsrun('delete', b.id), {
    code: 1,
    stdout: '',
    stderr: new RegExp(`msg="cannot delete container ${b.id} that is not stopped: running"\n$`),
  })
  t.ok(isRunning(pid))
  t.same(await b.tsrun('delete', '--force', b.id), { code: 0, stdout: '', stderr: '' })
  t.notOk(isRunning(pid))
  nothingLeft(t, b)
})

t.test('delete of a container that is gone', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  t.equal((await b.tsrun('delete', b.id)).code, 0)
  t.match(await b.tsrun('delete', b.id), { code: 1, stdout: '', stderr: MISSING })
  t.same(await b.tsrun('delete', '-f', b.id), { code: 0, stdout: '', stderr: '' })
  t.match(await b.tsrun('delete', '-f', '../x'), { code: 1, stderr: /invalid container ID format/ })
})

t.test('delete takes one id', { skip }, async (t) => {
  const b = await withBundle(t)
  t.match(await b.tsrun('delete'), { code: 1, stderr: /\\"delete\\" requires exactly 1 argument/ })
  t.match(await b.tsrun('delete', ''), { code: 1, stderr: /container id cannot be empty/ })
})

t.test(
  'delete ends every process of a container in the pid namespace of the host',
  { skip },
  async (t) => {
    const b = await withBundle(t, {
      args: ['sh', '-c', 'sleep 1000 & sleep 1000 & exec sleep 1000'],
      configure: ({ linux }) => {
        linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'pid')
      },
    })
    await b.tsrun('run', '-d', b.id)
    await eventually('three processes', () => processesNaming(b.id).length === 3)
    const { pid } = await b.state()
    process.kill(pid, 'SIGKILL')
    await eventually('the first one has ended', () => !isRunning(pid))
    t.equal((await b.state()).status, 'stopped')
    t.equal(processesNaming(b.id).length, 2, 'two have lived on')
    t.same(await b.tsrun('delete', b.id), { code: 0, stdout: '', stderr: '' })
    nothingLeft(t, b)
  },
)

t.test('delete removes cgroups that the container made below its own', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  const { pid } = await b.state()
  const below = cgroupDirectories(pid).map((dir) => join(dir, 'below/further'))
  t.not(below.length, 0)
  for (const dir of below) mkdirSync(dir, { recursive: true })
  t.equal((await b.tsrun('delete', b.id)).code, 0)
  for (const dir of below) t.notOk(existsSync(dir))
  nothingLeft(t, b)
})

function cgroupDirectories(pid: number): string[] {
  return [...cgroupsOf(pid)]
    .map(([controllers, path]) => {
      const hierarchy = existsSync('/sys/fs/cgroup/cgroup.controllers')
        ? ''
        : controllers.replace('name=', '') || 'unified'
      return join('/sys/fs/cgroup', hierarchy, path)
    })
    .filter((dir) => existsSync(dir))
}

t.test('delete of what an interrupted create left', { skip }, async (t) => {
  const remains: Record<string, (dir: string) => void> = {
    'an empty directory': () => {},
    'a fifo that nobody reads': (dir) => writeFileSync(join(dir, 'exec.fifo.new'), ''),
    'a half-written state': (dir) => writeFileSync(join(dir, 'state.json.new'), '{"version":1,'),
    'things in directories': (dir) => mkdirSync(join(dir, 'notify/deep'), { recursive: true }),
  }
  for (const [what, make] of Object.entries(remains)) {
    await t.test(what, async (t) => {
      const b = await withBundle(t)
      const dir = join(b.root, b.id)
      mkdirSync(dir, { recursive: true })
      make(dir)
      t.match(await b.tsrun('state', b.id), { code: 1, stderr: MISSING })
      t.match(await b.tsrun('start', b.id), { code: 1, stderr: MISSING })
      t.match(await b.tsrun('kill', b.id), { code: 1, stderr: MISSING })
      t.match(await b.tsrun('delete', b.id), { code: 1, stdout: '', stderr: MISSING })
      t.notOk(existsSync(dir), 'plain delete has removed it nevertheless')
      mkdirSync(dir, { recursive: true })
      make(dir)
      t.same(await b.tsrun('delete', '--force', b.id), { code: 0, stdout: '', stderr: '' })
      t.notOk(existsSync(dir))
    })
  }
})

t.test(
  'a corrupt state.json is an error of one line, until delete --force',
  { skip },
  async (t) => {
    const texts = ['', '{', 'null', '[]', '{"version":1}', '{"version":99}', '"text"', '\u0000']
    const b = await withBundle(t)
    for (const text of texts) {
      await b.tsrun('create', b.id)
      const { pid } = await b.state()
      writeFileSync(join(b.root, b.id, 'state.json'), text)
      for (const command of ['state', 'start', 'kill', 'delete']) {
        const { code, stdout, stderr } = await b.tsrun(command, b.id)
        t.equal(code, 1, `${command}: ${JSON.stringify(text)}`)
        t.equal(stdout, '')
        t.match(stderr, /^time=\S+ level=error msg=.*\n$/)
        t.equal(stderr.split('\n').length, 2)
      }
      t.ok(isRunning(pid))
      t.equal((await b.tsrun('delete', '--force', b.id)).code, 0, JSON.stringify(text))
      nothingLeft(t, b)
      if (processesNaming(b.id).length > 0) process.kill(pid, 'SIGKILL')
      rmSync(join(b.root, b.id), { recursive: true, force: true })
    }
  },
)

t.test('delete does not follow a link in place of the container', { skip }, async (t) => {
  const b = await withBundle(t)
  const precious = join(b.dir, 'precious')
  mkdirSync(precious)
  writeFileSync(join(precious, 'file'), 'keep')
  mkdirSync(b.root)
  await b.shell('ln -s "$PWD/precious" "$ROOT/$ID"')
  await b.tsrun('delete', '--force', b.id)
  t.ok(existsSync(join(precious, 'file')))
  rmSync(join(b.root, b.id), { force: true })
})

t.test('delete frees the id for another container', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  const first = await b.state()
  await b.tsrun('delete', b.id)
  t.equal((await b.tsrun('create', b.id)).code, 0)
  const second = await b.state()
  t.not(second.pid, first.pid)
})

t.test('delete finishes what it has begun with files without permissions', { skip }, async (t) => {
  const b = await withBundle(t)
  await b.tsrun('create', b.id)
  chmodSync(join(b.root, b.id), 0)
  chmodSync(join(b.root, b.id, 'state.json'), 0)
  t.equal((await b.tsrun('delete', b.id)).code, 0)
  nothingLeft(t, b)
})
