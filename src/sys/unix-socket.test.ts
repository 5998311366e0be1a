import { mkdirSync } from 'node:fs'
import t from 'tap'
import type { Fd } from './fd.ts'
import { fstat, O, open } from './file.ts'
import { pollIn } from './socket.ts'
import {
  accept,
  bindUnix,
  connectUnix,
  listen,
  receiveDescriptors,
  sendDescriptors,
} from './unix-socket.ts'

/** Both ends of a connection to a listener at `path`. */
function connection(path: string): [client: Fd, server: Fd] {
  using listener = bindUnix(path, 'stream')
  listen(listener)
  const client = connectUnix(path)
  return [client, accept(listener)]
}

t.test('one descriptor crosses with its data, and is close-on-exec', async (t) => {
  const [client, server] = connection(`${t.testdir()}/sock`)
  using file = open(undefined, '/dev/null', O.RDONLY)
  sendDescriptors(client, Buffer.from('/dev/ptmx'), [file])
  client.close()
  const { data, fds } = receiveDescriptors(server)
  t.equal(data.toString(), '/dev/ptmx')
  t.equal(fds.length, 1)
  const [got] = fds
  t.equal(got && fstat(got).rdevMinor, 3, 'the null device')
  t.not(got?.number, file.number)
  const end = receiveDescriptors(server)
  t.same([end.data.length, end.fds.length], [0, 0], 'the other end is closed')
  for (const fd of [...fds, server]) fd.close()
})

t.test('several descriptors, and none', async (t) => {
  const [client, server] = connection(`${t.testdir()}/sock`)
  using zero = open(undefined, '/dev/zero', O.RDONLY)
  using full = open(undefined, '/dev/full', O.RDONLY)
  using none = open(undefined, '/dev/null', O.RDONLY)
  sendDescriptors(client, Buffer.from('x'), [zero, full, none])
  const { fds } = receiveDescriptors(server)
  t.same(
    fds.map((fd) => fstat(fd).rdevMinor),
    [5, 7, 3],
    'in order',
  )
  sendDescriptors(client, Buffer.from('yz'), [])
  const plain = receiveDescriptors(server)
  t.same([plain.data.toString(), plain.fds.length], ['yz', 0])
  for (const fd of [...fds, client, server]) fd.close()
})

t.test('more descriptors than there is room for are an error, not lost', async (t) => {
  const [client, server] = connection(`${t.testdir()}/sock`)
  using file = open(undefined, '/dev/null', O.RDONLY)
  sendDescriptors(client, Buffer.from('x'), Array(17).fill(file))
  t.throws(() => receiveDescriptors(server), { code: 'E2BIG' })
  client.close()
  server.close()
})

t.test('a path that does not fit in an address', async (t) => {
  const dir = `${t.testdir()}/${'d'.repeat(120)}`
  mkdirSync(dir)
  const [client, server] = connection(`${dir}/sock`)
  sendDescriptors(client, Buffer.from('x'), [])
  t.equal(receiveDescriptors(server).data.toString(), 'x')
  t.throws(() => connectUnix(`${dir}/${'n'.repeat(100)}`), { code: 'ENAMETOOLONG' })
  client.close()
  server.close()
})

t.test('an abstract name', async (t) => {
  const [client, server] = connection(`@tsrun-test-${process.pid}`)
  sendDescriptors(client, Buffer.from('x'), [])
  t.equal(receiveDescriptors(server).data.toString(), 'x')
  client.close()
  server.close()
})

t.test('datagrams', async (t) => {
  const path = `${t.testdir()}/sock`
  using server = bindUnix(path, 'datagram')
  using client = connectUnix(path, 'datagram')
  sendDescriptors(client, Buffer.from('READY=1'), [])
  sendDescriptors(client, Buffer.from('BARRIER=1'), [client])
  t.equal(receiveDescriptors(server).data.toString(), 'READY=1')
  const { data, fds } = receiveDescriptors(server)
  t.same([data.toString(), fds.length], ['BARRIER=1', 1])
  for (const fd of fds) fd.close()
  t.same(pollIn([server], 0), [0])
})

t.test('errors', async (t) => {
  const dir = t.testdir({ file: '' })
  const path = `${dir}/sock`
  t.throws(() => connectUnix(path), {
    code: 'ENOENT',
    message: `connect ${path}: no such file or directory`,
  })
  t.throws(() => connectUnix(`${dir}/file`), { code: 'ECONNREFUSED' })
  t.throws(() => connectUnix(''), { code: 'EINVAL' })
  t.throws(() => connectUnix('a\0b'), { code: 'EINVAL' })
  using server = bindUnix(path, 'stream')
  t.throws(() => connectUnix(path), { code: 'ECONNREFUSED' }, 'nobody listens')
  t.throws(() => connectUnix(path, 'datagram'), { code: 'EPROTOTYPE' })
  t.throws(() => bindUnix(path, 'stream'), { code: 'EADDRINUSE' })
  listen(server)
  const client = connectUnix(path)
  accept(server).close()
  t.throws(() => sendDescriptors(client, Buffer.from('x'), []), { code: 'EPIPE' })
  client.close()
})
