/** The cgroup files of a container, read and written without the program under test. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cgroupsOf } from './kernel.ts'
import { needs } from './needs.ts'

/** This host has cgroup v2 alone. */
export const isUnified: boolean = needs('cgroup v2') === false

const ROOT = '/sys/fs/cgroup'

/** The mount point of the hierarchy that has a controller; on cgroup v2 the only one. */
export function hierarchyOf(controller: string): string {
  if (isUnified) return ROOT
  const name = readdirSync(ROOT).find((entry) => entry.split(',').includes(controller))
  if (name === undefined) throw new Error(`this host has no cgroup controller ${controller}`)
  return join(ROOT, name)
}

/** Where a process is in the hierarchy of a controller. */
export function cgroupPath(pid: number, controller: string): string {
  for (const [controllers, path] of cgroupsOf(pid)) {
    const isIt = isUnified ? controllers === '' : controllers.split(',').includes(controller)
    if (isIt) return join(hierarchyOf(controller), path)
  }
  throw new Error(`process ${pid} is in no cgroup for ${controller}`)
}

/** Content of a cgroup's file, without white space around. */
export function readCgroup(path: string, file: string): string {
  return readFileSync(join(path, file), 'utf8').trim()
}

/** Writes a cgroup's file. */
export function writeCgroup(path: string, file: string, text: string): void {
  writeFileSync(join(path, file), text)
}

/** False for a file that this kernel, or this cgroup, does not have. */
export function hasCgroupFile(path: string, file: string): boolean {
  return existsSync(join(path, file))
}
