import t from 'tap'
import { type TestBundle, withBundle } from '../testing/bundle.ts'
import { eventually, isRunning } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers('command ps')

async function started(b: TestBundle): Promise<number> {
  const { code, stderr } = await b.tsrun('run', '-d', b.id)
  if (code !== 0) throw new Error(stderr)
  return (await b.state()).pid
}

/** What of a table's row says whose it is. */
function pidOf(row: string): number {
  return Number(row.split(/\s+/)[1])
}

t.test('ps prints the rows of the container, from the ps of the host', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['sh', '-c', 'sleep 1000 & exec sleep 1001'] })
  const pid = await started(b)
  const { code, stdout, stderr } = await b.tsrun('ps', b.id)
  t.match({ code, stderr }, { code: 0, stderr: '' })
  const [header = '', ...rows] = stdout.split('\n')
  t.match(header, /^UID +PID +PPID +C STIME TTY +TIME CMD$/)
  t.equal(rows.pop(), '', 'the last line ends')
  t.match(
    rows.find((row) => pidOf(row) === pid),
    /^root .* sleep 1001$/,
  )
  t.equal(rows.length, 2)
  t.match(
    rows.find((row) => pidOf(row) !== pid),
    / sleep 1000$/,
  )
})

t.test('ps hands everything after the id to ps', { skip }, async (t) => {
  const b = await withBundle(t)
  const pid = await started(b)
  const table = await b.tsrun('ps', b.id, '-e', '-x')
  t.equal(table.code, 0)
  t.match(table.stdout, /^ *PID TTY +STAT +TIME COMMAND\n *\d+ .* sleep 1000/)
  const column = await b.tsrun('ps', b.id, '-o', 'pid', '-p', `${pid},1`)
  t.match(column.stdout, new RegExp(`^ *PID\\n *${pid}\\n$`))
})

t.test('ps --format json prints numbers', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['sh', '-c', 'sleep 1000 & sleep 1000 & exec sleep 1000'] })
  const pid = await started(b)
  for (const format of [['-f', 'json'], ['--format=json'], ['-f', 'json', '--']]) {
    const { code, stdout, stderr } = await b.tsrun('ps', ...format, b.id)
    t.match({ code, stderr }, { code: 0, stderr: '' }, format.join(' '))
    t.match(stdout, /^\[\d+(,\d+){2}\]\n$/)
    t.ok((JSON.parse(stdout) as number[]).includes(pid))
  }
})

t.test('ps says what it cannot do', { skip }, async (t) => {
  const b = await withBundle(t)
  t.match(await b.tsrun('ps', b.id), { code: 1, stderr: /container does not exist/ })
  t.match(await b.tsrun('ps'), { code: 1, stderr: /ps\\" requires a minimum of 1 argument\(s\)/ })
  await started(b)
  const refused: [string[], RegExp][] = [
    [['ps', b.id, '-o', 'comm'], /couldn't find PID field in ps output/],
    [['ps', b.id, '--no-such-option'], /exit status 1: error: unknown gnu long option/],
    [['ps', '-f', 'yaml', b.id], /invalid format option/],
  ]
  for (const [args, stderr] of refused)
    t.match(await b.tsrun(...args), { code: 1, stdout: '', stderr }, args.join(' '))
  const withoutPath = { env: { PATH: '/no/such/directory' } }
  t.match(await b.tsrunWith(withoutPath, 'ps', b.id), { code: 1, stderr: /unable to run ps/ })
})

t.test('ps of a stopped container has no rows', { skip }, async (t) => {
  const b = await withBundle(t)
  const pid = await started(b)
  await b.tsrun('kill', b.id, 'KILL')
  await eventually('the container ends', () => !isRunning(pid))
  t.same(await b.tsrun('ps', '-f', 'json', b.id), { code: 0, stdout: 'null\n', stderr: '' })
  const { code, stdout } = await b.tsrun('ps', b.id)
  t.equal(code, 0)
  t.match(stdout, /^UID .* CMD\n$/)
})
