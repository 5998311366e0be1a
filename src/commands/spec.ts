import { specTemplate, templateText } from '../bundle/template.ts'
import { probeCgroups } from '../cgroup/probe.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { O, open, writeAll } from '../sys/file.ts'
import { defineCommand } from './define.ts'

const FILE = 'config.json'

export default defineCommand({
  name: 'spec',
  summary: 'create a new specification file',
  usage: '',
  description: `Writes a ${FILE} for a container with a shell to the bundle.`,
  args: { min: 0, max: 0 },
  options: {
    bundle: {
      type: 'string',
      alias: 'b',
      metavar: 'DIR',
      default: '',
      summary: 'bundle directory, by default the current one',
    },
    rootless: { type: 'flag', summary: 'for a container of an unprivileged caller' },
  },
  run({ options }) {
    const spec = specTemplate({
      hasCgroup2Only: probeCgroups().mode === 'v2',
      rootless: options.rootless
        ? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
        : undefined,
    })
    writeNew(options.bundle === '' ? FILE : `${options.bundle}/${FILE}`, templateText(spec))
    return 0
  },
})

function writeNew(path: string, text: string): void {
  try {
    using file = open(undefined, path, O.WRONLY | O.CREAT | O.EXCL, 0o666)
    writeAll(file, text)
  } catch (error) {
    if (!isErrno(error, E.EXIST)) throw error
    throw new Error(`File ${FILE} exists. Remove it first`, { cause: error })
  }
}
