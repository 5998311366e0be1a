import { ContainerError, messageOf } from '../base/errors.ts'
import { type OciState, ociStateOf } from '../container/status.ts'
import { listIds, Store } from '../container/store.ts'
import { readFile } from '../sys/file.ts'
import { defineCommand, type Runtime } from './define.ts'

const HEADER = ['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER']
const MIN_WIDTH = 12
const PADDING = 3

export default defineCommand({
  name: 'list',
  summary: 'list containers',
  usage: '',
  args: { min: 0, max: 0 },
  options: {
    format: {
      type: 'string',
      alias: 'f',
      metavar: 'FORMAT',
      default: 'table',
      summary: 'table or json',
    },
    quiet: { type: 'flag', alias: 'q', summary: 'print ids only' },
  },
  run({ options, runtime }) {
    const states = readStates(runtime)
    if (options.quiet) runtime.print(states.map(({ id }) => `${id}\n`).join(''))
    else if (options.format === 'table') runtime.print(table(states))
    else if (options.format === 'json') {
      runtime.print(`${states.length === 0 ? 'null' : JSON.stringify(states)}\n`)
    } else throw new Error('invalid format option')
    return 0
  },
})

/** States in the order of ids; a directory that holds no container is named on stderr. */
function readStates({ root, rootIsExplicit, log }: Runtime): OciState[] {
  const ids = listIds(root)
  if (ids === undefined) {
    if (rootIsExplicit) throw new Error(`open ${root}: no such file or directory`)
    return []
  }
  const owners = new Map<number, string>()
  const states: OciState[] = []
  for (const id of ids) {
    try {
      using store = Store.open(root, id)
      const { owner } = store
      if (!owners.has(owner)) owners.set(owner, userName(owner))
      states.push(ociStateOf(store, store.read(), owners.get(owner) ?? ''))
    } catch (error) {
      // a plain file, or a container that was deleted meanwhile
      if (error instanceof ContainerError && error.reason === 'not-found') continue
      log.warning(`load container ${id}: ${messageOf(error)}`)
    }
  }
  return states
}

/** The host's name for a user id, `#1000` if it has none. @see passwd(5) */
function userName(uid: number): string {
  if (uid === 0) return 'root'
  const line = readFile(undefined, '/etc/passwd')
    .split('\n')
    .find((entry) => entry.split(':')[2] === `${uid}`)
  return line?.split(':')[0] ?? `#${uid}`
}

function table(states: readonly OciState[]): string {
  const rows = [
    HEADER,
    ...states.map((s) => [s.id, `${s.pid}`, s.status, s.bundle, s.created, s.owner]),
  ]
  const widths = HEADER.map((_, column) =>
    Math.max(MIN_WIDTH, ...rows.map((row) => (row[column] ?? '').length + PADDING)),
  )
  const last = HEADER.length - 1
  return rows
    .map((row) => row.map((cell, i) => (i === last ? cell : cell.padEnd(widths[i] ?? 0))).join(''))
    .map((line) => `${line}\n`)
    .join('')
}
