/** A terminal for a test to sit at. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { E } from '../sys/errno.ts'
import { type Fd, setNonblocking } from '../sys/fd.ts'
import { addressOf, S } from '../sys/ffi.ts'
import { O, open } from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'
import { openPty, setTerminalSize, type TerminalSize } from '../sys/terminal.ts'
import { accept, bindUnix, listen, receiveDescriptors } from '../sys/unix-socket.ts'
import { type Teardown, type TestBundle, type TestSpec, withBundle } from './bundle.ts'
import { programPath } from './cli.ts'
import { eventually } from './kernel.ts'

/** The master of a terminal, and what has come out of it. */
export class Screen {
  readonly master: Fd
  readonly #buffer = Buffer.alloc(65536)
  #text = ''

  constructor(master: Fd) {
    this.master = master
    setNonblocking(master)
  }

  /** All that was written to the terminal until now. */
  text(): string {
    for (;;) {
      const got = S(NR.read, this.master.number, addressOf(this.#buffer), this.#buffer.length)
      if (got <= 0) return this.#text
      this.#text += this.#buffer.toString('latin1', 0, got)
    }
  }

  /** Waits until `text` is on the screen. */
  async shows(text: string): Promise<void> {
    await eventually(`${JSON.stringify(text)} on the screen`, () =>
      this.text().includes(text),
    ).catch((error: Error) => {
      throw new Error(`${error.message}; there is ${JSON.stringify(this.text().slice(-2000))}`)
    })
  }

  /** Types as much as the terminal takes. @returns how many bytes */
  type(text: string): number {
    const bytes = Buffer.from(text)
    const sent = S(NR.write, this.master.number, addressOf(bytes), bytes.length)
    if (sent < 0 && sent !== -E.AGAIN) throw new Error(`typing failed: ${sent}`)
    return Math.max(0, sent)
  }
}

/** A program with a terminal of its own, as under a shell in a window. */
export interface Session {
  readonly screen: Screen
  /** The other end, which keeps the terminal from hanging up. */
  readonly peer: Fd
  readonly pid: number
  /** Resolves with the exit code; 128 and more for a signal. */
  readonly ended: Promise<number>
}

/** A new terminal of this host. */
export function newTerminal(size: TerminalSize): { screen: Screen; peer: Fd } {
  using devpts = open(undefined, '/dev/pts', O.PATH | O.DIRECTORY)
  const { master, peer } = openPty(devpts)
  setTerminalSize(peer, size)
  return { screen: new Screen(master), peer }
}

/** Starts a program as the leader of a session whose controlling terminal is a new one. */
export function sitDown(
  t: Teardown,
  command: readonly string[],
  options: { cwd?: string; size?: TerminalSize } = {},
): Session {
  const { screen, peer } = newTerminal(options.size ?? { height: 24, width: 80 })
  const child = spawn('setsid', ['--ctty', ...command], {
    cwd: options.cwd,
    env: { ...process.env, TSRUN: programPath() },
    stdio: [peer.number, peer.number, peer.number],
  })
  const ended = new Promise<number>((done, failed) => {
    child.once('error', failed)
    child.once('exit', (code, signal) => {
      done(code ?? 128 + (signal === null ? 0 : constants.signals[signal]))
    })
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
    screen.master.close()
    peer.close()
  })
  return { screen, peer, pid: child.pid ?? -1, ended }
}

/** A console socket, as a client of runc has it. */
export class ConsoleSocket {
  readonly path: string
  readonly #listener: Fd

  constructor(t: Teardown, path: string) {
    this.path = path
    this.#listener = bindUnix(path, 'stream')
    listen(this.#listener)
    t.teardown(async () => this.close())
  }

  /** Nobody listens any more. */
  close(): void {
    this.#listener.close()
  }

  /** Closes the next connection; waits for it. */
  refuse(): void {
    accept(this.#listener).close()
  }

  /** What the next connection brings until it is closed; waits for that. */
  receive(): { text: string; fds: Fd[] }[] {
    using connection = accept(this.#listener)
    const messages: { text: string; fds: Fd[] }[] = []
    for (;;) {
      const { data, fds } = receiveDescriptors(connection)
      if (data.length === 0) return messages
      messages.push({ text: data.toString(), fds })
    }
  }
}

/** A bundle whose container has a terminal and runs a shell script. */
export function scripted(
  t: Teardown,
  { script, change }: { script: string; change?: (spec: TestSpec) => void },
): Promise<TestBundle> {
  return withBundle(t, {
    args: ['sh', '-c', script],
    configure: (spec) => {
      spec.process.terminal = true
      change?.(spec)
    },
  })
}

/** Runs the bundle's container in the foreground of a new terminal. */
export function runAtTerminal(t: Teardown, b: TestBundle, size?: TerminalSize): Session {
  const command = [programPath(), '--root', b.root, 'run', b.id]
  return sitDown(t, command, { cwd: b.dir, ...(size && { size }) })
}

/** The controlling terminal of a process, and the foreground process group of that. @see proc_pid_stat(5) */
export function terminalOf(pid: number): { device: number; foreground: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return { device: Number(fields[4]), foreground: Number(fields[5]) }
}

/** `device` of the first terminal of a devpts file system. */
export const FIRST_PTY: number = 136 << 8
