/** Many containers, one after another and at once: none fails, nothing is left. */
import t from 'tap'
import { containersBelow, leftovers, type TestBundle, withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'
import { slowness } from '../testing/slowness.ts'

const skip = needsContainers()
const CYCLES = Math.ceil(1000 / slowness() / 2) * 2
const AT_ONCE = 32

/** A shell loop: a process of the test for each command would take longer than the command. */
const LOOP = `
t() { "$TSRUN" --root "$ROOT" "$@" < /dev/null || { echo "$* failed" >&2; exit 1; }; }
i=$1
while [ "$i" -lt "$2" ]; do
  kill -0 "$PPID" || exit 2 # the test has timed out
  t create "$ID-$i"
  t start "$ID-$i"
  t delete --force "$ID-$i"
  i=$((i + 1))
done`

t.test(
  `${CYCLES} times create, start, delete`,
  { skip, timeout: 180_000 * slowness() },
  async (t) => {
    const b = await withBundle(t)
    const half = CYCLES / 2
    const outcomes = await Promise.all([
      b.shell(`set -- 0 ${half}; ${LOOP}`),
      b.shell(`set -- ${half} ${CYCLES}; ${LOOP}`),
    ])
    for (const outcome of outcomes) t.same(outcome, { code: 0, stdout: '', stderr: '' })
    t.same(leftovers(b.dir, b.root, b.id), [])
  },
)

t.test(`${AT_ONCE} containers at once`, { skip, timeout: 60_000 * slowness() }, async (t) => {
  const b = await withBundle(t)
  const ids = Array.from({ length: AT_ONCE }, (_, i) => `${b.id}-${i}`)
  for (const args of [['create'], ['start'], ['state'], ['kill', 'KILL'], ['delete', '-f']]) {
    await all(b, ids, args, (code, stderr) => {
      t.equal(code, 0, args.join(' '))
      t.equal(stderr, '')
    })
    if (args[0] === 'start') {
      const { stdout } = await b.tsrun('list')
      t.equal(stdout.match(/ running /g)?.length, AT_ONCE)
    }
  }
  t.same(containersBelow(b.root), [])
  t.same(leftovers(b.dir, b.root, b.id), [])
})

async function all(
  b: TestBundle,
  ids: string[],
  [command = '', ...more]: string[],
  check: (code: number, stderr: string) => void,
): Promise<void> {
  const isOption = more[0]?.startsWith('-')
  const outcomes = await Promise.all(
    ids.map((id) => (isOption ? b.tsrun(command, ...more, id) : b.tsrun(command, id, ...more))),
  )
  for (const { code, stderr } of outcomes) check(code, stderr)
}
