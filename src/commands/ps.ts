import { messageOf } from '../base/errors.ts'
import { allProcesses } from '../cgroup/tree.ts'
import { ownCgroups } from '../container/own-cgroups.ts'
import { Store } from '../container/store.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { defineCommand, type Runtime } from './define.ts'

/** As many processes as a host can have. */
const MOST_OUTPUT = 1 << 30

export default defineCommand({
  name: 'ps',
  summary: "list a container's processes",
  usage: '<container-id> [ps options]',
  description:
    "Process ids are the host's. A table has the rows of the host's ps(1), run with the options given (-ef by default), that are processes of the container.",
  args: { min: 1 },
  stopAtPositional: true,
  options: {
    format: {
      type: 'string',
      alias: 'f',
      metavar: 'FORMAT',
      default: 'table',
      summary: 'table or json',
    },
  },
  async run({ options, args: [id = '', ...psOptions], runtime }) {
    const pids = processesOf(id, runtime)
    if (options.format === 'json') {
      runtime.print(`${pids.length === 0 ? 'null' : JSON.stringify(pids)}\n`)
    } else if (options.format === 'table') {
      const output = await hostPs(psOptions.length === 0 ? ['-ef'] : psOptions)
      runtime.print(rowsOf(output, pids))
    } else throw new Error('invalid format option')
    return 0
  },
})

function processesOf(id: string, { root, log }: Runtime): number[] {
  using store = Store.open(root, id)
  const state = store.read()
  try {
    return allProcesses(ownCgroups(state)).sort((a, b) => a - b)
  } catch (error) {
    if (isErrno(error, E.PERM, E.ACCES)) {
      log.warning('runc ps failure might be caused by lack of full access to cgroups')
    }
    throw new Error(`unable to get all container pids: ${messageOf(error)}`, { cause: error })
  }
}

/** What the host's ps prints. @throws {Error} with what it says, if it fails */
async function hostPs(args: readonly string[]): Promise<string> {
  const { spawnSync } = await import('node:child_process')
  const { error, status, signal, stdout, stderr } = spawnSync('ps', args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: MOST_OUTPUT,
  })
  if (error !== undefined) throw new Error(`unable to run ps: ${error.message}`, { cause: error })
  if (status !== 0) {
    const end = signal === null ? `exit status ${status}` : `signal: ${signal}`
    throw new Error(`${end}: ${stdout}${stderr}`)
  }
  return stdout
}

/**
 * The header of ps's table, and the rows of the given processes.
 *
 * @throws {Error} if it has no column of process ids
 */
export function rowsOf(table: string, pids: readonly number[]): string {
  const [header = '', ...rows] = table.split('\n')
  const column = wordsOf(header).indexOf('PID')
  if (column < 0) throw new Error("couldn't find PID field in ps output")
  const own = rows.filter((row) => {
    const words = wordsOf(row)
    return words.length > 0 && pids.includes(pidOf(words[column] ?? ''))
  })
  return [header, ...own].map((line) => `${line}\n`).join('')
}

function wordsOf(line: string): string[] {
  return line.split(/\s+/).filter((word) => word !== '')
}

function pidOf(word: string): number {
  if (/^\d+$/.test(word)) return Number(word)
  throw new Error(`unable to parse pid: ${JSON.stringify(word)} is no number`)
}
