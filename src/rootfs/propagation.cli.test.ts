/** In a mount namespace of its own that stands for the host, with everything shared. */
import { mkdirSync } from 'node:fs'
import t from 'tap'
import { type TestBundle, withBundle } from '../testing/bundle.ts'
import { needsContainers } from '../testing/needs.ts'
import { mounting } from './testing.ts'

const skip = needsContainers('command unshare')

const WORDS = [
  'shared',
  'slave',
  'private',
  'unbindable',
  'rshared',
  'rslave',
  'rprivate',
  'runbindable',
] as const

/** Runs `script` where `/` and a tmpfs on `$PWD/volume` are shared. */
async function onSharedHost(bundle: TestBundle, script: string): Promise<string> {
  mkdirSync(`${bundle.dir}/volume`, { recursive: true })
  const prepare = 'mount --make-rshared / && mount -t tmpfs volume volume || exit'
  const { code, stdout, stderr } = await bundle.shell(
    `exec unshare -m sh -ec '${prepare}; ${script}'`,
  )
  if (code !== 0) throw new Error(stderr)
  return stdout
}

/** The propagation fields of `/` in the created container. */
const SHOW_ROOT = `
  $TSRUN --root $ROOT create $ID
  pid=$($TSRUN --root $ROOT state $ID | sed -n "s/.*\\"pid\\": \\([0-9]*\\).*/\\1/p")
  cut -d" " -f5- /proc/$pid/mountinfo | grep "^/ "
  $TSRUN --root $ROOT delete -f $ID`

t.test('the container has the propagation that it asks for', { skip }, async (t) => {
  const bundle = await withBundle(t)
  const expected = { shared: /shared:/, slave: /master:/, unbindable: / unbindable/ }
  for (const word of [undefined, ...WORDS]) {
    bundle.reconfigure((spec) => {
      if (word !== undefined) spec.linux.rootfsPropagation = word as 'shared'
    })
    const line = await onSharedHost(bundle, SHOW_ROOT)
    const type = (word ?? 'slave').replace(/^r/, '') as keyof typeof expected
    t.match(line, expected[type] ?? /^((?!shared:|master:|unbindable).)*$/s, word ?? 'default')
  }
})

t.test('no mount of a container reaches the host', { skip }, async (t) => {
  const bundle = await withBundle(t, { args: ['true'] })
  const script = `
    cat /proc/self/mountinfo > before
    $TSRUN --root $ROOT run $ID
    cat /proc/self/mountinfo > after
    diff before after`
  for (const word of [undefined, ...WORDS]) {
    bundle.reconfigure((spec) => {
      if (word !== undefined) spec.linux.rootfsPropagation = word as 'shared'
      const source = `${bundle.dir}/volume`
      spec.mounts.push({ destination: '/volume', source, options: ['rbind'] })
    })
    t.equal(await onSharedHost(bundle, script), '', word ?? 'default')
  }
})

t.test(
  'no mount reaches the host when the root is on another mount',
  {
    skip,
  },
  async (t) => {
    const bundle = await withBundle(t, { args: ['true'] })
    const script = `
    mkdir volume/real
    cp -a rootfs/. volume/real/
    cat /proc/self/mountinfo > before
    $TSRUN --root $ROOT run $ID
    cat /proc/self/mountinfo > after
    diff before after`
    for (const word of WORDS) {
      bundle.reconfigure((spec) => {
        spec.root.path = 'volume/real'
        spec.linux.rootfsPropagation = word as 'shared'
      })
      t.equal(await onSharedHost(bundle, script), '', word)
    }
  },
)

t.test(
  'what is mounted in a shared volume reaches the host only if that is wanted',
  {
    skip,
  },
  async (t) => {
    const bundle = await withBundle(t)
    const script =
      '$TSRUN --root $ROOT run $ID; grep -c " $PWD/volume/in " /proc/self/mountinfo || :'
    const cases = [
      ['shared', ['rbind', 'rshared'], '1\n'],
      ['rshared', ['rbind'], '1\n'],
      ['rshared', ['rbind', 'rslave'], '0\n'],
      ['rshared', ['rbind', 'rprivate'], '0\n'],
      ['rslave', ['rbind'], '0\n'],
      [undefined, ['rbind', 'rshared'], '0\n'],
      // these two are about `/` alone: the volume is shared as before
      ['private', ['rbind'], '1\n'],
      ['slave', ['rbind'], '1\n'],
    ] as const
    for (const [word, options, seen] of cases) {
      bundle.reconfigure((spec) => {
        if (word !== undefined) spec.linux.rootfsPropagation = word as 'shared'
        spec.process.args = ['sh', '-ec', 'mkdir /volume/in; mount -t tmpfs inner /volume/in']
        spec.process.capabilities = capabilities('CAP_SYS_ADMIN', 'CAP_DAC_OVERRIDE')
        const source = `${bundle.dir}/volume`
        mounting({ destination: '/volume', source, options: [...options] })(spec)
      })
      t.equal(await onSharedHost(bundle, script), seen, `${word} ${options}`)
    }
  },
)

t.test('what the host mounts reaches a slave volume', { skip }, async (t) => {
  const bundle = await withBundle(t)
  const script = `
    mkdir volume/later
    $TSRUN --root $ROOT create $ID
    mount -t tmpfs later volume/later
    pid=$($TSRUN --root $ROOT state $ID | sed -n "s/.*\\"pid\\": \\([0-9]*\\).*/\\1/p")
    grep -c " /volume/later " /proc/$pid/mountinfo || :
    $TSRUN --root $ROOT delete -f $ID`
  for (const [option, seen] of [
    ['rslave', '1\n'],
    ['rprivate', '0\n'],
  ] as const) {
    bundle.reconfigure(
      mounting({ destination: '/volume', source: 'volume', options: ['rbind', option] }),
    )
    t.equal(await onSharedHost(bundle, script), seen, option)
  }
})

function capabilities(...names: string[]) {
  return { bounding: names, effective: names, permitted: names }
}
