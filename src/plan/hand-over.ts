/** What a container gets from tsrun's caller, besides what its configuration says. */
import type { Spec } from '../../spec/generated/config.ts'

/** Decided before the bundle is read. */
export interface HandOver {
  /** How many of the caller's descriptors the program gets, from 3 on. */
  readonly descriptors: number
  /** Variables that tell of them, if some are sockets of systemd's. */
  readonly activation: readonly string[]
  /** The directory, on the host, of the socket that takes the program's notifications, if any. */
  readonly notifyDirectory: string | undefined
}

/** Where the directory is in the container. */
const NOTIFY_DIRECTORY = '/run/notify'
/** What the socket is called in it. */
export const NOTIFY_SOCKET = 'notify.sock'

/** The configuration with the mount and the variables added, which win over its own. */
export function withHandOver(spec: Spec, handOver: HandOver): Spec {
  const { notifyDirectory: source, activation } = handOver
  const variable = `NOTIFY_SOCKET=${NOTIFY_DIRECTORY}/${NOTIFY_SOCKET}`
  const added = [...(source === undefined ? [] : [variable]), ...activation]
  const mounts = spec.mounts ?? []
  const options = ['bind', 'nosuid', 'noexec', 'nodev', 'ro']
  return {
    ...spec,
    mounts:
      source === undefined
        ? mounts
        : [...mounts, { destination: NOTIFY_DIRECTORY, source, options }],
    ...(spec.process && {
      process: { ...spec.process, env: [...(spec.process.env ?? []), ...added] },
    }),
  }
}
