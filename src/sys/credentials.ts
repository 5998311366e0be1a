import { check } from './check.ts'
import { S } from './ffi.ts'
import { alloc, at, view } from './memory.ts'
import { NR } from './numbers.ts'

/** Sets the supplementary groups of this process, to none if the list is empty. @see setgroups(2) */
export function setGroups(gids: readonly number[]): void {
  const list = alloc(Math.max(4, gids.length * 4))
  gids.forEach((gid, i) => {
    view.setUint32(list + i * 4, gid, true)
  })
  check('setgroups', gids.join(','), S(NR.setgroups, gids.length, at(list)))
}

const CAPABILITY_VERSION_3 = 0x20080522
const SETS_SIZE = 24

/**
 * Makes exactly those of these capabilities effective that are permitted; permitted and inheritable
 * ones stay as they are.
 *
 * @param words - the set's two 32-bit words
 * @see capset(2)
 */
export function setEffectiveCapabilities(words: readonly [number, number]): void {
  const header = alloc(8)
  view.setUint32(header, CAPABILITY_VERSION_3, true)
  // two times: effective, permitted, inheritable
  const sets = alloc(SETS_SIZE)
  check('capget', '', S(NR.capget, at(header), at(sets)))
  words.forEach((word, i) => {
    const permitted = view.getUint32(sets + i * 12 + 4, true)
    view.setUint32(sets + i * 12, (word & permitted) >>> 0, true)
  })
  check('capset', '', S(NR.capset, at(header), at(sets)))
}
