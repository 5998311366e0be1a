/** Finds out what of its own caller's tsrun is to hand over to a container. */
import type { HandOver } from '../plan/hand-over.ts'
import { passedDescriptors } from './descriptors.ts'
import { notifyDirectory } from './notify-socket.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Decides what is handed over.
 *
 * @param preserved - as --preserve-fds has it
 * @param env - tsrun's own
 * @throws {Error} naming the first descriptor that is not there
 */
export function handOverOf(
  root: string,
  id: string,
  preserved: number,
  env: Environment,
): HandOver {
  const { count, env: activation } = passedDescriptors(preserved, env)
  return {
    descriptors: count,
    activation,
    notifyDirectory: env.NOTIFY_SOCKET ? notifyDirectory(root, id) : undefined,
  }
}
