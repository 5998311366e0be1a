/** Further processes of a container. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestBundle } from './bundle.ts'

/**
 * Starts `sleep` in the container by `exec --detach`, with more options.
 *
 * @returns its process id
 */
export async function further(b: TestBundle, ...options: string[]): Promise<number> {
  return furtherWith(b, options, ['sleep', '1000'])
}

/** The same with another program; none with --process. */
export async function furtherWith(
  b: TestBundle,
  options: readonly string[],
  args: readonly string[],
): Promise<number> {
  const file = join(b.dir, 'exec.pid')
  const words = ['exec', '--detach', '--pid-file', file, ...options, b.id, ...args]
  const { code, stdout, stderr } = await b.tsrun(...words)
  if (code !== 0 || stdout !== '' || stderr !== '') throw new Error(`${code} ${stdout}${stderr}`)
  return Number(readFileSync(file, 'utf8'))
}
