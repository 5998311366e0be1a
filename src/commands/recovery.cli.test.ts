/** A runtime that is killed at any moment leaves nothing that delete --force does not remove. */
import t, { type Test } from 'tap'
import { containersBelow, leftovers, type TestBundle, withBundle } from '../testing/bundle.ts'
import { programPath } from '../testing/cli.ts'
import { eventually } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()
const TIMES = 40
const SPREAD_MS = 20

/** Pauses that cover the life of a create evenly, from its first moment to a little after its end. */
async function pauses(b: TestBundle): Promise<number[]> {
  const start = performance.now()
  await b.tsrun('create', b.id)
  const spread = Math.max(SPREAD_MS, 1.2 * (performance.now() - start))
  await b.tsrun('delete', b.id)
  return Array.from({ length: TIMES }, (_, i) => Number(((i * spread) / TIMES).toFixed(1)))
}

/** Kills the command after a pause, then deletes. @returns true if it was still under way */
async function interrupt(t: Test, b: TestBundle, args: string[], ms: number): Promise<boolean> {
  const id = `${b.id}-${ms}`
  const running = b.launch(...args, id)
  // a timer would be rounded to whole milliseconds
  const until = performance.now() + ms
  while (performance.now() < until) await new Promise(setImmediate)
  running.child.kill('SIGKILL')
  const { code } = await running.ended
  const deletion = await b.tsrun('delete', '--force', id)
  t.match(deletion, { code: 0, stdout: '', stderr: '' }, `killed after ${ms} ms`)
  await eventually('nothing left', () => leftovers(b.dir, b.root, id).length === 0, 300).catch(
    () => {
      t.same(leftovers(b.dir, b.root, id), [], `left after ${ms} ms`)
    },
  )
  return code === 137
}

for (const args of [['create'], ['run'], ['run', '--detach']]) {
  const name = args.join(' ')
  t.test(`${name} killed at ${TIMES} moments of its life (H-22, H-26)`, { skip }, async (t) => {
    const b = await withBundle(t)
    let underWay = 0
    for (const ms of await pauses(b)) if (await interrupt(t, b, args, ms)) underWay++
    t.ok(underWay > TIMES / 4, `${underWay} of ${TIMES} were under way`)
    t.same(containersBelow(b.root), [])
  })
}

t.test('delete, start and kill that are killed can be repeated', { skip }, async (t) => {
  const b = await withBundle(t)
  for (let ms = 0; ms < 10; ms++) {
    for (const command of ['start', 'delete']) {
      const id = `${b.id}-${command}-${ms}`
      t.equal((await b.tsrun('create', id)).code, 0)
      await interrupted(b, [command, id], ms)
      t.equal((await b.tsrun('delete', '--force', id)).code, 0)
      t.same(leftovers(b.dir, b.root, id), [])
    }
  }
})

async function interrupted(b: TestBundle, args: string[], ms: number): Promise<void> {
  const running = b.launch(...args)
  await new Promise((done) => setTimeout(done, ms))
  running.child.kill('SIGKILL')
  await running.ended
}

t.test('a container that is killed while its hooks run has died', { skip }, async (t) => {
  const b = await withBundle(t)
  b.reconfigure((spec) => {
    const kill = `"${programPath()}" --root "${b.root}" kill "${b.id}" KILL`
    spec.hooks = { createRuntime: [{ path: '/bin/sh', args: ['sh', '-c', kill] }] }
  })
  t.match(await b.tsrun('create', b.id), { code: 1, stderr: /container init died/ })
  t.same(leftovers(b.dir, b.root, b.id), [])
})
