/** One boot of the virtual machine, for one command. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'

/** How the kernel is carried out: by the host's processor, or emulated (10 to 20 times slower). */
export type Accelerator = 'kvm' | 'tcg'

export interface MachineOptions {
  /** What `build` made. */
  readonly images: string
  readonly accelerator: Accelerator
  /** Path of the image that becomes /dev/vdb; nothing is written to it. */
  readonly disk: string
  /** Takes what the command writes. */
  readonly onOutput: (chunk: Buffer) => void
  readonly onError: (chunk: Buffer) => void
  readonly timeoutSeconds: number
  readonly cgroups: keyof typeof CGROUPS
}

/** The machine did not come as far as the end of its command. */
export class MachineError extends Error {
  override readonly name = 'MachineError'
}

/** What guest/init says first: from then on an accelerator is known to work. */
const FIRST_WORDS = 'tsrun-vm: the kernel runs'
/** There are hosts whose /dev/kvm opens, but never executes the guest. */
const FIRST_WORDS_SECONDS = 10
const MEMORY = '3G'
const KERNEL_ARGUMENTS =
  'console=ttyS0 quiet loglevel=3 panic=-1 oops=panic reboot=t mitigations=off psi=1 ' +
  'systemd.show_status=false'

/** How systemd mounts the hierarchies, by kernel arguments. @see systemd(1) */
export const CGROUPS = {
  v2: 'cgroup_no_v1=all',
  hybrid: 'systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=0',
  v1: 'systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1',
} as const

/** Names of the ports, in the order that guest/job knows them by: /dev/vport0p1 is the first. */
const PORTS = ['output', 'errors', 'result'] as const

function qemuArguments(options: MachineOptions, directory: string): string[] {
  const { images, accelerator, disk } = options
  const drives = [join(images, 'disk.img'), disk].map(
    (file) => `if=virtio,format=raw,snapshot=on,cache=unsafe,file=${file}`,
  )
  const tcg = ['-accel', 'tcg,thread=multi,tb-size=512', '-cpu', 'max']
  return [
    ...(accelerator === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : tcg),
    ...['-m', MEMORY, '-smp', String(Math.min(availableParallelism(), 4))],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-kernel', join(images, 'kernel'), '-initrd', join(images, 'initrd')],
    ...['-append', `${KERNEL_ARGUMENTS} ${CGROUPS[options.cgroups]}`],
    ...drives.flatMap((drive) => ['-drive', drive]),
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ...['-device', 'virtio-serial-pci'],
    ...PORTS.flatMap((name, index) => [
      ...['-chardev', `socket,id=${name},path=${join(directory, name)}`],
      ...['-device', `virtserialport,chardev=${name},nr=${index + 1}`],
    ]),
  ]
}

/** A socket for QEMU to connect a port to. */
function listen(path: string, onData: (chunk: Buffer) => void): Promise<Server> {
  const server = createServer((socket: Socket) => {
    socket.on('data', onData)
    socket.on('error', () => {}) // QEMU was killed
  })
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(path, () => resolve(server))
  })
}

/** Resolves with the exit code; what is still in the sockets is read by then. */
function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => setTimeout(resolve, 50))
  })
}

/**
 * Boots, runs the command that the disk's `.vm/job` is, and ends.
 *
 * @returns the exit code of the command, or undefined if the accelerator does not work here
 * @throws {MachineError} the machine ended, or its time was over, before the command had
 */
export async function runMachine(options: MachineOptions): Promise<number | undefined> {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-vm-'))
  let result = ''
  let console = ''
  const takers = [options.onOutput, options.onError, (chunk: Buffer) => (result += chunk)]
  const servers = await Promise.all(
    PORTS.map((name, i) => listen(join(directory, name), takers[i] ?? (() => {}))),
  )
  const qemu = spawn('qemu-system-x86_64', qemuArguments(options, directory), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: tmpdir() },
  })
  for (const stream of [qemu.stdout, qemu.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      console += chunk
    })
  }
  const kill = (): boolean => qemu.kill('SIGKILL')
  process.on('exit', kill)
  const isRunning = (): boolean => console.includes(FIRST_WORDS)
  const early = setTimeout(() => {
    if (options.accelerator === 'kvm' && !isRunning()) kill()
  }, FIRST_WORDS_SECONDS * 1000)
  let isLate = false
  const late = setTimeout(() => {
    isLate = kill()
  }, options.timeoutSeconds * 1000)
  try {
    await ended(qemu)
  } finally {
    clearTimeout(early)
    clearTimeout(late)
    process.off('exit', kill)
    for (const server of servers) server.close()
    rmSync(directory, { recursive: true })
  }
  const [, code] = /^exit (\d+)$/m.exec(result) ?? []
  if (code !== undefined) return Number(code)
  if (options.accelerator === 'kvm' && !isRunning()) return undefined
  const what = isLate ? `was not done after ${options.timeoutSeconds} s` : 'ended without a result'
  throw new MachineError(`the machine ${what}:\n${console.trimEnd()}`)
}

/** True if QEMU may try the host's processor; whether that works is seen when it does. */
export function hasKvm(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Makes an ext4 image of a directory's files, with some room. @throws {MachineError} */
export function makeDisk(path: string, directory: string): void {
  const { status, stderr } = spawnSync(
    'mke2fs',
    ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-d', directory, path, '2G'],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new MachineError(`mke2fs: ${stderr}`)
}
