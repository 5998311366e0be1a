import type { Pointer } from '../../base/errors.ts'

/** One value for one file of the container's cgroup. */
export interface CgroupWrite {
  /** v1: whose hierarchy has the file; v2: what must be enabled. `cgroup` is always there. */
  readonly controller: string
  /** A plain file name: `pids.max`. */
  readonly file: string
  /** What is written with one write(2); an entry of `unified`: line by line. */
  readonly value: string
  /** Where it comes from. */
  readonly pointer: Pointer
  /** Without the file nothing is lost: the value is what the kernel does then. */
  readonly isOptional?: true
  /** Refused as invalid, it is written again after the others of its controller: it may fit then. */
  readonly isDeferred?: true
  /** What is written instead if there is no such file. */
  readonly otherwise?: Pick<CgroupWrite, 'file' | 'value'>
  /** Bytes that must be more than the cgroup uses, and how messages call them (M-081). */
  readonly aboveUsage?: { readonly bytes: string; readonly name: string }
  /** An entry of `unified`: messages name it so. */
  readonly isUnified?: true
}

/** Where config.json has the resources. */
export const RESOURCES_POINTER: Pointer = '/linux/resources'
