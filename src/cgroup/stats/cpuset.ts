import { type Files, numberIn, parsed } from './files.ts'
import { parseIds, parseSigned, withoutZeros } from './text.ts'

export interface CpusetStats {
  readonly cpus?: readonly number[]
  readonly cpu_exclusive: bigint
  readonly mems?: readonly number[]
  readonly mem_hardwall: bigint
  readonly mem_exclusive: bigint
  readonly memory_migrate: bigint
  readonly memory_spread_page: bigint
  readonly memory_spread_slab: bigint
  readonly memory_pressure: bigint
  readonly sched_load_balance: bigint
  readonly sched_relax_domain_level: bigint
}

/**
 * What the cpuset controller of cgroup v1 is set to: files of the same names.
 *
 * @param files - `NO_FILES` for cgroup v2, which does not have them: all zero
 * @see cpuset(7)
 */
export function cpusetStats(files: Files): CpusetStats {
  const ids = (name: string): number[] => parsed(files, name, parseIds) ?? []
  const number = (name: string): bigint => numberIn(files, `cpuset.${name}`)
  const level = parsed(files, 'cpuset.sched_relax_domain_level', parseSigned)
  return {
    ...withoutZeros({ cpus: ids('cpuset.cpus') }),
    cpu_exclusive: number('cpu_exclusive'),
    ...withoutZeros({ mems: ids('cpuset.mems') }),
    mem_hardwall: number('mem_hardwall'),
    mem_exclusive: number('mem_exclusive'),
    memory_migrate: number('memory_migrate'),
    memory_spread_page: number('memory_spread_page'),
    memory_spread_slab: number('memory_spread_slab'),
    memory_pressure: number('memory_pressure'),
    sched_load_balance: number('sched_load_balance'),
    sched_relax_domain_level: level ?? 0n,
  }
}
