/** H-21: what a bundle calls things forges no record of the log. */
import { readFileSync, rmSync, statSync } from 'node:fs'
import t from 'tap'
import { type TestSpec, withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'

const skip = needsContainers()

const FORGED = [
  'x\ntime="2020-01-01T00:00:00Z" level=info msg="forged"',
  'x"\nlevel=info msg="forged',
  'x\r{"level":"info","msg":"forged"}',
  'x"}\n{"level":"info","msg":"forged"}',
  'x\u001b[2Jforged',
  'x\u2028forged\\nforged\\',
  'x\ud800forged',
]

const PLACES: readonly ((spec: TestSpec, text: string) => void)[] = [
  ({ process }, text) => {
    process.args = [`/${text}`]
  },
  ({ process }, text) => {
    process.cwd = `/proc/${text}`
  },
  ({ mounts }, text) => {
    mounts.push({ destination: '/tmp', source: `/${text}`, options: ['bind'] })
  },
  ({ mounts }, text) => {
    mounts.push({ destination: `/proc/${text}`, type: 'tmpfs' })
  },
  ({ root }, text) => {
    root.path = text
  },
  ({ linux }, text) => {
    linux.sysctl = { [`net.${text}`]: '1' }
  },
  ({ process }, text) => {
    process.capabilities = { bounding: [text] }
    process.args = ['/none']
  },
]

function isTextRecord(line: string): boolean {
  return /^time="[^"]+" level=(error|warning) msg="([^"\\]|\\.)*"$/.test(line)
}

function isJsonRecord(line: string): boolean {
  const { level, msg } = JSON.parse(line) as { level?: string; msg?: string }
  return (level === 'error' || level === 'warning') && typeof msg === 'string'
}

function hasControlCharacter(text: string): boolean {
  return [...text].some((character) => character < ' ' && character !== '\n')
}

t.test('H-21 a record is one line, whatever is in it', { skip }, async (t) => {
  const b = await withBundle(t)
  const file = `${b.dir}/log`
  for (const [number, text] of FORGED.entries()) {
    for (const [index, change] of PLACES.entries()) {
      b.reconfigure((spec) => change(spec, text))
      const what = `text ${number} at place ${index}`
      const format = (number + index) % 2 === 0 ? 'text' : 'json'
      rmSync(file, { force: true })
      const { code } = await b.tsrun('--log', file, '--log-format', format, 'run', b.id)
      t.not(code, 0, what)
      const log = readFileSync(file, 'utf8')
      t.notOk(hasControlCharacter(log), `no control characters: ${what}`)
      const lines = log.split('\n').slice(0, -1)
      t.ok(lines.length > 0, what)
      t.ok(lines.every(format === 'json' ? isJsonRecord : isTextRecord), what)
    }
  }
})

t.test('H-21 the log is for its owner, and no descriptor of the container', { skip }, async (t) => {
  const b = await withBundle(t, { args: ['sh', '-c', 'ls -l /proc/1/fd; true'] })
  const file = `${b.dir}/log`
  const { stdout } = await b.shell('umask 0; exec $TSRUN --log log --debug --root $ROOT run $ID')
  t.equal(statSync(file).mode & 0o022, 0, 'nobody else writes it')
  t.notMatch(stdout, / -> .*\/log$/m)
})
