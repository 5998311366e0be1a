/** For attacks that need luck: a process that changes files as fast as it can, beside the runtime. */
import { spawn } from 'node:child_process'

/** How long each attack goes on. */
const RACE_MS = 10_000

/** A racing process ends with the test, however that ends. */
const BEGIN = `
import ctypes, os, sys, time
libc = ctypes.CDLL(None)
libc.prctl(1, 9) # PR_SET_PDEATHSIG`

/** A command that runs a Python script, which has `libc`: Node.js has few system calls. */
export function python(script: string, ...args: string[]): string[] {
  return ['python3', '-c', `${BEGIN}\n${script}`, ...args]
}

const EXCHANGE = `
a, b = sys.argv[1].encode(), sys.argv[2].encode()
while True:
    if libc.renameat2(-100, a, -100, b, 2) != 0: sys.exit('renameat2')`

/** A command that exchanges two names for ever. */
export function exchanging(one: string, other: string): string[] {
  return python(EXCHANGE, one, other)
}

/**
 * Calls `attempt` again and again for ten seconds while a command runs.
 *
 * @returns how often
 * @throws {Error} if the command ends by itself
 */
export async function whileRacing(
  command: readonly string[],
  attempt: () => Promise<void>,
): Promise<number> {
  const [file = '', ...args] = command
  const racer = spawn(file, args, { stdio: ['ignore', 'ignore', 'inherit'] })
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
