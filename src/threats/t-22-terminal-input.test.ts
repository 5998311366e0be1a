/** T-22: a container at the terminal of its caller types nothing into it. */
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { NR } from '../sys/numbers.ts'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'
import { call, image } from '../testing/static-program.ts'
import { runAtTerminal } from '../testing/terminal.ts'

const TIOCSCTTY = 0x540e
const TIOCSTI = 0x5412
const TIOCLINUX = 0x541c
/** Of TIOCLINUX: sets what is selected on a console. */
const TIOCL_SETSEL = 2

const STEALER = [
  { nr: NR.ioctl, args: [0, TIOCSCTTY, 1], mode: 'ignore' } as const,
  call('ioctl', [0, TIOCSTI, { bytes: Buffer.from('!') }]),
]
const SELECTOR = [call('ioctl', [0, TIOCLINUX, { bytes: Uint8Array.of(TIOCL_SETSEL) }])]

t.test(
  'T-22 CVE-2016-10124 the terminal of the caller takes no input from the container',
  { skip: needsContainers('command setsid') },
  async (t) => {
    for (const terminal of [false, true]) {
      const b = await withBundle(t, {
        args: [
          'sh',
          '-c',
          '/stealer 2>/dev/null; echo "stolen $?"; /selector 2>/dev/null; echo "selected $?"; ' +
            'read pid comm state ppid group session tty rest </proc/self/stat; echo "session $session, terminal $tty"',
        ],
        populate(rootfs) {
          writeFileSync(`${rootfs}/stealer`, image(STEALER), { mode: 0o755 })
          writeFileSync(`${rootfs}/selector`, image(SELECTOR), { mode: 0o755 })
        },
        configure({ process }) {
          process.terminal = terminal
        },
      })
      const session = runAtTerminal(t, b)
      t.equal(await session.ended, 0)
      const text = session.screen.text()
      t.match(text, /selected 255\r\n/)
      if (terminal) {
        // whatever it types comes from a terminal of its own
        t.match(text, /session 1, terminal \d+\r\n/)
        t.notMatch(text, /terminal 0\r\n/)
      } else {
        t.match(text, /stolen 255\r\n/)
        t.match(text, /session 1, terminal 0\r\n/, 'none that controls it')
      }
    }
  },
)
