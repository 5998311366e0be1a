import t from 'tap'
import { blockStatsV1, blockStatsV2, parseBlkio, parseIoStat } from './block.ts'
import { NO_FILES } from './files.ts'
import { filesOf } from './testing.ts'

const BYTES = '254:0 Read 4096\n254:0 Write 0\n254:0 Total 4096\nTotal 4096\n'
const SERVICED = '254:0 Read 1\n254:0 Total 1\nTotal 1\n'

t.test('parseBlkio() reads lines with and without an operation', async (t) => {
  t.same(parseBlkio(`${BYTES}8:16 99999999999999999\n`), [
    { major: 254n, op: 'Read', value: 4096n },
    { major: 254n, op: 'Write' },
    { major: 254n, op: 'Total', value: 4096n },
    { major: 8n, minor: 16n, value: 99999999999999999n },
  ])
  t.same(parseBlkio('Total 0\n'), [])
  for (const line of ['254 Read 1', '1:2', 'Default 500', '1:2 Read x'])
    t.throws(() => parseBlkio(line), /malformed line/, line)
})

t.test('blockStatsV1() takes the best source that has numbers', async (t) => {
  const throttle = {
    'blkio.throttle.io_service_bytes': '1:1 Total 5\n',
    'blkio.throttle.io_serviced': '1:1 Total 6\n',
  }
  t.same(blockStatsV1(filesOf(throttle)), {
    ioServiceBytesRecursive: [{ major: 1n, minor: 1n, op: 'Total', value: 5n }],
    ioServicedRecursive: [{ major: 1n, minor: 1n, op: 'Total', value: 6n }],
  })
  const bfq = {
    ...throttle,
    'blkio.bfq.io_service_bytes_recursive': BYTES,
    'blkio.bfq.io_serviced_recursive': SERVICED,
    'blkio.bfq.sectors_recursive': '254:0 8\n',
  }
  const stats = blockStatsV1(filesOf(bfq))
  t.same(Object.keys(stats), ['ioServiceBytesRecursive', 'ioServicedRecursive', 'sectorsRecursive'])
  t.same(stats.sectorsRecursive, [{ major: 254n, value: 8n }])
  const empty = { ...bfq, 'blkio.bfq.io_serviced_recursive': 'Total 0\n' }
  t.same(blockStatsV1(filesOf(empty)), blockStatsV1(filesOf(throttle)), 'bfq has none')
  t.same(blockStatsV1(NO_FILES), {})
})

t.test('parseIoStat() sorts counters into the tables of version 1', async (t) => {
  const text =
    '254:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=7 dios=7\n' +
    '7:1 \n8:16 rbytes=18446744073709551615 cost.usage=1\n(unknown) cost.wait=3\n'
  t.same(parseIoStat(text), {
    ioServiceBytesRecursive: [
      { major: 254n, op: 'Read', value: 4096n },
      { major: 254n, op: 'Write' },
      { major: 8n, minor: 16n, op: 'Read', value: 18446744073709551615n },
    ],
    ioServicedRecursive: [
      { major: 254n, op: 'Read', value: 1n },
      { major: 254n, op: 'Write' },
    ],
  })
  t.same(parseIoStat(''), {})
})

t.test('blockStatsV2() ends with the pressure', async (t) => {
  const pressure =
    'some avg10=0.10 avg60=0.20 avg300=0.30 total=4\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n'
  const stats = blockStatsV2(filesOf({ 'io.stat': '1:0 rios=1\n', 'io.pressure': pressure }))
  t.same(Object.keys(stats), ['ioServicedRecursive', 'psi'])
  t.same(stats.psi, {
    some: { avg10: 0.1, avg60: 0.2, avg300: 0.3, total: 4n },
    full: { avg10: 0, avg60: 0, avg300: 0, total: 1n },
  })
  t.same(blockStatsV2(NO_FILES), {})
})
