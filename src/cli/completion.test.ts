import { execFileSync } from 'node:child_process'
import t from 'tap'
import { type Command, defineCommand } from '../commands/define.ts'
import { completionScript } from './completion.ts'

const common = { usage: '<container-id>', args: { min: 1, max: 1 }, run: () => 0 } as const
const create: unknown = defineCommand({
  ...common,
  name: 'create',
  summary: "makes [it], isn't it: yes",
  options: {
    bundle: { type: 'string', alias: 'b', metavar: 'DIR', summary: 'bundle' },
    secret: { type: 'flag', hidden: true, summary: 'no' },
  },
})
const kill: unknown = defineCommand({ ...common, name: 'kill', summary: 'k', options: {} })
const internal: unknown = defineCommand({
  ...common,
  name: 'x',
  summary: 'x',
  hidden: true,
  options: {},
})
const commands = [create, kill, internal] as Command[]

/** What bash offers for the words; the last one is being typed. */
function complete(...words: string[]): string[] {
  const script = `${completionScript('bash', 'tsrun', commands)}
my() { echo c1; echo c2; echo "$*" >&2; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
compopt() { COMPREPLY=(FILES); }
_tsrun; printf '%s\\n' "\${COMPREPLY[@]}"`
  const output = execFileSync('bash', ['-c', script, 'bash', 'my', ...words], { encoding: 'utf8' })
  return output.split('\n').filter((line) => line !== '')
}

t.test('completionScript() for bash completes commands, options, ids', async (t) => {
  t.same(complete(''), ['create', 'kill', 'help'])
  t.same(complete('k'), ['kill'])
  t.same(complete('--root', '/r', 'cr'), ['create'])
  t.same(complete('create', '--b'), ['--bundle'])
  t.same(complete('create', '-'), ['--bundle', '-b', '--help', '-h'])
  t.same(complete('create', '-b', ''), ['FILES'])
  t.same(complete('--log', ''), ['FILES'])
  t.same(complete('--sys'), ['--systemd-cgroup'])
  t.same(complete('kill', ''), ['c1', 'c2'])
  t.same(complete('create', ''), [])
  t.same(complete('help', 'cr'), ['create'])
})

t.test('completionScript() for zsh describes commands and options', async (t) => {
  const script = completionScript('zsh', 'tsrun', commands)
  t.match(script, /^#compdef tsrun\n/)
  t.ok(script.includes("'create:makes \\[it\\], isn’t it\\: yes'"))
  t.ok(script.includes("'--bundle[bundle]:DIR:_files' '-b[bundle]:DIR:_files'"))
  t.ok(script.includes("kill) _arguments '--help[show help]' '-h[show help]' ':id:_tsrun_ids'"))
  t.notMatch(script, /secret|'x:x'/)
})
