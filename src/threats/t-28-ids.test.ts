/** T-28: an id is a name in the state root, and no way to another place. */
import { cpSync, mkdirSync, readdirSync } from 'node:fs'
import t from 'tap'
import { makeDecoy } from '../rootfs/testing.ts'
import { withBundle } from '../testing/bundle.ts'
import { isRunning } from '../testing/kernel.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

/** What is no id of a container; the decoy is beside the state root. */
const WAYS = ['.', '..', '../decoy', 'a/../../decoy', 'a/b', 'a\n', 'a'.repeat(300)]

t.test('T-28 an id leads no command out of the state root', { skip }, async (t) => {
  const b = await withBundle(t)
  t.equal((await b.tsrun('run', '-d', b.id)).code, 0)
  const { pid } = await b.state()
  // what looks like the state of a container, of one that runs even
  const decoy = makeDecoy(`${b.dir}/decoy`)
  cpSync(`${b.root}/${b.id}/state.json`, `${b.dir}/decoy/inner/state.json`)
  mkdirSync(`${b.dir}/other`)
  cpSync(`${b.root}/${b.id}/state.json`, `${b.dir}/other/state.json`)
  const before = readdirSync(b.root)
  const names = readdirSync(b.dir)
  const commands = [
    ['create'],
    ['run', '--detach'],
    ['start'],
    ['state'],
    ['kill'],
    ['pause'],
    ['delete', '--force'],
    ['delete'],
  ]
  for (const id of [...WAYS, '../other', `${b.dir}/other`, `${b.dir}/decoy`]) {
    for (const command of commands) {
      const { code } = await b.tsrun(...command, '--', id)
      const what = `${command.join(' ')} ${JSON.stringify(id.slice(0, 20))}`
      // to delete by force what is not there is no error
      if (command.length === 2 && command[0] === 'delete') continue
      t.not(code, 0, what)
    }
    t.not((await b.tsrun('exec', '--', id, 'true')).code, 0, `exec ${id}`)
  }
  t.same(readdirSync(`${b.dir}/other`), ['state.json'])
  t.same(readdirSync(b.dir), names)
  t.same(readdirSync(b.root), before)
  t.ok(isRunning(pid))
  t.same(readdirSync(decoy.dir).sort(), ['inner', 'marker', 'ptmx'])
})
