/** The statistics of a container, in the form that `events` prints. */
import type { CgroupPlan } from '../../plan/cgroup.ts'
import { type BlockStats, blockStatsV1, blockStatsV2 } from './block.ts'
import { type CpuStats, cpuStatsV1, cpuStatsV2 } from './cpu.ts'
import { type CpusetStats, cpusetStats } from './cpuset.ts'
import { type Files, NO_FILES, openFiles } from './files.ts'
import { type HugetlbStats, hugetlbStats } from './hugetlb.ts'
import { type MemoryStats, memoryStatsV1, memoryStatsV2 } from './memory.ts'
import { type PidsStats, pidsStats } from './pids.ts'

/**
 * Members and their order are runc's; a member that is zero or empty is absent unless its type says
 * that it is always there.
 */
export interface Stats {
  readonly cpu: CpuStats
  readonly cpuset: CpusetStats
  readonly memory: MemoryStats
  readonly pids: PidsStats
  readonly blkio: BlockStats
  readonly hugetlb: HugetlbStats
  readonly intel_rdt: object
  /** runc has it for interfaces of its own making, which there are none of. */
  readonly network_interfaces: null
}

/** A container's cgroups, open: what is read is theirs, even if others take their paths later. */
export class StatsReader implements Disposable {
  readonly #isV2: boolean
  /** By controller; in version 2 the one directory has the name ''. */
  readonly #files = new Map<string, Files & Disposable>()

  /** Opens those of the container's cgroups that are there. */
  constructor({ mode, paths }: CgroupPlan) {
    this.#isV2 = mode === 'v2'
    for (const { controllers, path } of paths) {
      const files = openFiles(path)
      if (files === undefined) continue
      for (const controller of controllers.split(',')) this.#files.set(controller, files)
    }
  }

  /**
   * Reads the numbers as they are now; those of controllers that are missing are zero.
   *
   * @param intelRdt - the member `intel_rdt`
   * @throws {Error} for a file that is not as the kernel documents it {SyscallError}
   */
  read(intelRdt: object = {}): Stats {
    return {
      ...(this.#isV2 ? this.#v2() : this.#v1()),
      intel_rdt: intelRdt,
      network_interfaces: null,
    }
  }

  #v2(): Omit<Stats, 'intel_rdt' | 'network_interfaces'> {
    const files = this.#files.get('') ?? NO_FILES
    return {
      cpu: cpuStatsV2(files),
      cpuset: cpusetStats(NO_FILES),
      memory: memoryStatsV2(files),
      pids: pidsStats(files),
      blkio: blockStatsV2(files),
      hugetlb: hugetlbStats(files),
    }
  }

  #v1(): Omit<Stats, 'intel_rdt' | 'network_interfaces'> {
    const of = (controller: string): Files => this.#files.get(controller) ?? NO_FILES
    return {
      cpu: cpuStatsV1(of('cpu'), of('cpuacct')),
      cpuset: cpusetStats(of('cpuset')),
      memory: memoryStatsV1(of('memory')),
      pids: pidsStats(of('pids')),
      blkio: blockStatsV1(of('blkio')),
      hugetlb: hugetlbStats(of('hugetlb')),
    }
  }

  [Symbol.dispose](): void {
    for (const files of this.#files.values()) files[Symbol.dispose]()
  }
}

/** The statistics of a container now: `StatsReader` for once. */
export function readStats(plan: CgroupPlan, intelRdt?: object): Stats {
  using reader = new StatsReader(plan)
  return reader.read(intelRdt)
}
