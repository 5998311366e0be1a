import t from 'tap'
import { E } from './errno.ts'
import { type Fd, setNonblocking } from './fd.ts'
import { addressOf, S } from './ffi.ts'
import { fstat, O, open } from './file.ts'
import { NR } from './numbers.ts'
import {
  getTermios,
  isPty,
  isTerminal,
  openPty,
  type Pty,
  rawInput,
  setTerminalSize,
  setTermios,
  terminalSize,
  withoutNewlineMapping,
} from './terminal.ts'

function hostPty(): Pty {
  using devpts = open(undefined, '/dev/pts', O.PATH | O.DIRECTORY)
  return openPty(devpts)
}

function write(fd: Fd, text: string): number {
  const bytes = Buffer.from(text)
  return S(NR.write, fd.number, addressOf(bytes), bytes.length)
}

/** What can be read now. */
function read(fd: Fd): string {
  setNonblocking(fd)
  const bytes = Buffer.alloc(4096)
  const got = S(NR.read, fd.number, addressOf(bytes), bytes.length)
  return got === -E.AGAIN ? '' : bytes.toString('utf8', 0, got)
}

t.test('openPty() gives both ends of one terminal', async (t) => {
  const { master, peer } = hostPty()
  t.match(fstat(master), { rdevMajor: 5, rdevMinor: 2 })
  t.ok(isPty(peer))
  t.notOk(isPty(master))
  t.ok(isTerminal(peer))
  t.equal(write(peer, 'out\n'), 4)
  t.equal(read(master), 'out\r\n')
  t.equal(write(master, 'in\n'), 3)
  t.equal(read(peer), 'in\n')
  t.equal(read(master), 'in\r\n', 'echoed')
  master.close()
  peer.close()
})

t.test('openPty() in what is no devpts', async (t) => {
  const dir = t.testdir({ ptmx: '', link: t.fixture('symlink', '/dev/pts') })
  using plain = open(undefined, dir, O.PATH | O.DIRECTORY)
  t.throws(() => openPty(plain), { message: `${dir} is not a devpts file system` })
  using dev = open(undefined, '/dev', O.PATH | O.DIRECTORY)
  t.throws(() => openPty(dev), { message: '/dev is not a devpts file system' })
})

t.test('isTerminal() and isPty() of other files', async (t) => {
  using nothing = open(undefined, '/dev/null', O.RDWR)
  using file = open(undefined, `${t.testdir({ file: '' })}/file`, O.RDWR)
  for (const fd of [nothing, file]) {
    t.notOk(isTerminal(fd))
    t.notOk(isPty(fd))
  }
})

t.test('sizes', async (t) => {
  const { master, peer } = hostPty()
  t.same(terminalSize(peer), { height: 0, width: 0 })
  setTerminalSize(master, { height: 10, width: 300 })
  t.same(terminalSize(peer), { height: 10, width: 300 })
  t.same(terminalSize(master), { height: 10, width: 300 })
  using nothing = open(undefined, '/dev/null', O.RDWR)
  t.throws(() => terminalSize(nothing), { code: 'ENOTTY' })
  master.close()
  peer.close()
})

t.test('raw input: keys arrive as they are, and nothing is echoed', async (t) => {
  const { master, peer } = hostPty()
  const before = getTermios(peer)
  setTermios(peer, rawInput(before))
  write(master, 'a\r\x03\x04\x13')
  t.equal(read(peer), 'a\r\x03\x04\x13')
  t.equal(read(master), '')
  write(peer, 'x\n')
  t.equal(read(master), 'x\r\n', 'output is still processed')
  setTermios(peer, before)
  t.same(getTermios(peer), before)
  write(master, 'b\r')
  t.equal(read(peer), 'b\n')
  master.close()
  peer.close()
})

t.test('withoutNewlineMapping(), through the master', async (t) => {
  const { master, peer } = hostPty()
  const before = getTermios(master)
  setTermios(master, withoutNewlineMapping(before))
  write(peer, 'x\n')
  t.equal(read(master), 'x\n')
  t.notSame(getTermios(peer), before)
  master.close()
  peer.close()
})
