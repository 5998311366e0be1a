import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { run } from '../../src/testing/cli.ts'
import { namespaceOf } from '../../src/testing/kernel.ts'
import { needs } from '../../src/testing/needs.ts'
import { openBundle } from '../open-bundle.ts'

const NAMESPACE = '/run/netns/tsrun-demo'
const skip =
  needs('root', 'program', 'command ip') ||
  (existsSync(NAMESPACE) ? `needs the name ${NAMESPACE}, which is taken` : false)

/** Runs one of the scripts of the bundle. */
function script(name: string) {
  return run([join(import.meta.dirname, name)])
}

async function setUp(t: Test): Promise<void> {
  t.teardown(async () => {
    await script('clean-up')
    if (existsSync(NAMESPACE)) throw new Error(`clean-up leaves ${NAMESPACE}`)
  })
  const { code, stderr } = await script('set-up')
  t.equal(code, 0, `set-up: ${stderr}`)
}

t.test('netns joins a namespace by its path', { skip }, async (t) => {
  await setUp(t)
  const { code, stdout, stderr } = await openBundle(t, 'netns').run()
  t.equal(stderr, '')
  t.equal(code, 0)
  t.match(stdout, /^eth0@\S+ +\S+ +192\.0\.2\.2\/30/m)
  t.match(stdout, /^default via 192\.0\.2\.1 dev eth0/m)

  const { pid } = await openBundle(t, 'netns').create()
  t.equal(namespaceOf(pid, 'net'), `net:[${statSync(NAMESPACE).ino}]`)
})

t.test('netns names the namespace that is missing', { skip }, async (t) => {
  const { code, stderr } = await openBundle(t, 'netns').run()
  t.equal(code, 1)
  t.match(stderr, /\/run\/netns\/tsrun-demo/)
})
