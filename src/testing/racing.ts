/** For attacks that need luck: a process that changes files as fast as it can, beside the runtime. */
import { spawn } from 'node:child_process'

/** How long each attack goes on. */
const RACE_MS = 10_000

/** Python, for Node.js has no renameat2(2): exchanges two names for ever. */
export const EXCHANGE = `
import ctypes, sys
libc = ctypes.CDLL(None)
a, b = sys.argv[1].encode(), sys.argv[2].encode()
while True:
    if libc.renameat2(-100, a, -100, b, 2) != 0: sys.exit('renameat2')`

/**
 * Calls `attempt` again and again for ten seconds while a Python script runs.
 *
 * @returns how often
 * @throws {Error} if the script ends by itself
 */
export async function whileRacing(
  script: string,
  args: readonly string[],
  attempt: () => Promise<void>,
): Promise<number> {
  const racer = spawn('python3', ['-c', script, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = new Promise((done) => racer.once('exit', done))
  let attempts = 0
  try {
    for (const until = performance.now() + RACE_MS; performance.now() < until; attempts++) {
      await attempt()
    }
    if (racer.exitCode !== null) throw new Error('the racing process has ended')
  } finally {
    racer.kill('SIGKILL')
    await ended
  }
  return attempts
}
