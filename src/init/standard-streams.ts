import { isNullDevice } from '../rootfs/mask.ts'
import { openInRoot, type Root } from '../rootfs/resolve.ts'
import { isErrno } from '../sys/check.ts'
import { E } from '../sys/errno.ts'
import { Fd } from '../sys/fd.ts'
import { S } from '../sys/ffi.ts'
import { chown, fstat, O, S_IF, type Stat } from '../sys/file.ts'
import { NR } from '../sys/numbers.ts'

const STREAMS = [0, 1, 2] as const

/**
 * Descriptors 0 to 2 as the container gets them. Where one is the host's null device the
 * container's own takes its place: /proc/self/fd/0 must not lead to a mount of the host. Pipes,
 * sockets and terminals go to the container's user, so that it can open /dev/stdout; a file of the
 * host keeps its owner (threat T-05).
 */
export function reopenStandardStreams(root: Root, uid: number): void {
  for (const number of STREAMS) {
    const stream = new Fd(number, `descriptor ${number}`)
    let found: Stat
    try {
      found = fstat(stream)
    } catch (error) {
      if (isErrno(error, E.BADF)) continue
      throw error
    }
    if (isNullDevice(found)) replaceByNull(root, number)
    else if (found.uid !== uid && isGivenAway(found)) giveTo(stream, uid)
  }
}

function replaceByNull(root: Root, number: number): void {
  try {
    using own = openInRoot(root, '/dev/null', O.RDWR | O.NOFOLLOW)
    if (isNullDevice(fstat(own))) S(NR.dup3, own.number, number, 0)
  } catch (error) {
    // without a null device of its own the container keeps the host's
    if (!isErrno(error, E.NOENT, E.LOOP, E.NOTDIR, E.ACCES, E.NXIO)) throw error
  }
}

/** Major numbers of pseudo-terminals. @see pts(4) */
const PTS_MAJORS = { first: 136, last: 143 } as const

function isGivenAway({ mode, rdevMajor }: Stat): boolean {
  const type = mode & S_IF.MT
  if (type === S_IF.CHR) return rdevMajor >= PTS_MAJORS.first && rdevMajor <= PTS_MAJORS.last
  return type === S_IF.FIFO || type === S_IF.SOCK
}

function giveTo(stream: Fd, uid: number): void {
  try {
    chown(stream, uid, -1)
  } catch (error) {
    if (!isErrno(error, E.PERM, E.ROFS, E.INVAL, E.NOSYS)) throw error
  }
}
