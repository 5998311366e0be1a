/** H-02: the keys of the caller are not the container's. */
import { existsSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'
import { call, image } from '../testing/static-program.ts'

const KEYCTL_SEARCH = 10
const KEY_SPEC_SESSION_KEYRING = -3
const NAME = 'tsrun-test-secret'

const SEARCH = image([
  call('keyctl', [
    KEYCTL_SEARCH,
    KEY_SPEC_SESSION_KEYRING,
    { string: 'user' },
    { string: NAME },
    0,
  ]),
])

/** Runs a command with a key in a session keyring that is new. */
const WITH_KEY = `
import ctypes, os, platform, sys
add_key, keyctl = (217, 219) if platform.machine() == 'aarch64' else (248, 250)
libc = ctypes.CDLL(None)
if libc.syscall(keyctl, 1, None) < 0: sys.exit('no keyring')
if libc.syscall(add_key, b'user', b'${NAME}', b'x', 1, -3) < 0: sys.exit('no key')
os.execvp(sys.argv[1], sys.argv[1:])`

t.test(
  'H-02 a key of the caller is not found by the container',
  { skip: needsContainers('python3') || (existsSync('/proc/keys') ? false : 'needs /proc/keys') },
  async (t) => {
    const b = await withBundle(t, {
      args: ['/search'],
      populate: (rootfs) => writeFileSync(`${rootfs}/search`, SEARCH, { mode: 0o755 }),
    })
    writeFileSync(`${b.dir}/with-key.py`, WITH_KEY)
    const held = 'exec python3 with-key.py $TSRUN --root $ROOT'
    t.equal((await b.shell(`${held} run $ID`)).code, 255)
    t.equal((await b.shell(`${held} run --no-new-keyring $ID`)).code, 0, 'unless that is wanted')
    b.reconfigure(({ process }) => {
      process.args = ['sleep', '1000']
    })
    t.equal((await b.tsrun('run', '-d', b.id)).code, 0)
    t.equal((await b.shell(`${held} exec $ID /search`)).code, 255)
  },
)
