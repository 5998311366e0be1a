/** A seccomp agent for a test: seccomp-agent.ts in a process of its own. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { LinuxSeccomp } from '../../spec/generated/config.ts'
import { NR } from '../sys/numbers.ts'
import type { Teardown, TestBundle } from './bundle.ts'
import { launch, type Running } from './cli.ts'
import { eventually, isRunning } from './kernel.ts'

/** A program of its own, which is bundled where the tests are. */
const AGENT = resolve('src/testing/seccomp-agent')
const ENOMEDIUM = 123

/** What the agent was told, and asked. */
interface Told {
  /** The container process state. */
  readonly state: Record<string, unknown>
  readonly fds: number
  /** Bytes after the message: the connection carries nothing more. */
  readonly rest: number
  readonly calls: readonly number[]
}

export interface Agent {
  readonly path: string
  readonly process: Running
  /** When its listener has nothing left to tell. */
  told(): Promise<Told>
}

/** Starts an agent that refuses `calls`, by name, and lets all others go on. */
export async function startAgent(
  t: Teardown,
  b: TestBundle,
  calls: readonly (keyof typeof NR)[],
): Promise<Agent> {
  const path = join(b.dir, 'agent.sock')
  const numbers = calls.map((name) => `${NR[name]}`)
  const program = [`${AGENT}.js`, `${AGENT}.ts`].find(existsSync) ?? AGENT
  const command = [process.execPath, ...process.execArgv, program, path, `${ENOMEDIUM}`, ...numbers]
  const agent = launch(command)
  t.teardown(async () => {
    agent.child.kill('SIGKILL')
    await agent.ended
  })
  await eventually('the agent listens', () => agent.stdout().includes('listening\n'), 20_000)
  return {
    path,
    process: agent,
    async told() {
      // it waits for the container, which may have failed
      await eventually('the agent ends', () => !isRunning(agent.pid), 20_000)
      const { code, stdout, stderr } = await agent.ended
      if (code !== 0) throw new Error(`agent: ${stdout}${stderr}`)
      const [, line = '', ...rest] = stdout.split('\n')
      const { message, ...counts } = JSON.parse(line)
      const asked = rest.filter((one) => one.startsWith('call ')).map((one) => Number(one.slice(5)))
      return { state: JSON.parse(message), ...counts, calls: asked }
    },
  }
}

/** A filter that asks the agent at `listenerPath` about `names`. */
export function asking(listenerPath: string, ...names: string[]): LinuxSeccomp {
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    listenerPath,
    listenerMetadata: 'some "words"',
    syscalls: [{ names, action: 'SCMP_ACT_NOTIFY' }],
  }
}
