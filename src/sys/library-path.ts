import { statIfAny } from './file.ts'

const TRIPLE = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'
/** Where distributions, and administrators before them, have libraries. */
const PLACES = [
  `/usr/local/lib/${TRIPLE}`,
  '/usr/local/lib64',
  '/usr/local/lib',
  `/usr/lib/${TRIPLE}`,
  '/usr/lib64',
  '/usr/lib',
  '/lib64',
  '/lib',
]

/**
 * Where a shared library is: for saying which one it is without loading it, and then for loading
 * that very one.
 *
 * @param name - `libseccomp.so.2`
 * @returns undefined if it is in none of the usual places
 */
export function libraryPath(name: string): string | undefined {
  return PLACES.map((place) => `${place}/${name}`).find(
    (path) => statIfAny(undefined, path) !== undefined,
  )
}
