import t from 'tap'
import type { Spec } from '../../spec/generated/config.ts'
import { type HandOver, withHandOver } from './hand-over.ts'

const SPEC: Spec = {
  ociVersion: '1.2.0',
  hostname: 'h',
  mounts: [{ destination: '/proc', type: 'proc' }],
  process: { cwd: '/', args: ['x'], env: ['A=1'] },
}
const NOTHING: HandOver = { descriptors: 0, activation: [], notifyDirectory: undefined }

t.test('nothing changes for descriptors alone', async (t) => {
  t.same(withHandOver(SPEC, { ...NOTHING, descriptors: 3 }), SPEC)
})

t.test('variables come last, so that they win', async (t) => {
  const activation = ['LISTEN_FDS=1', 'LISTEN_PID=1']
  const { process, mounts } = withHandOver(SPEC, {
    descriptors: 1,
    activation,
    notifyDirectory: '/s/notify',
  })
  t.same(process, {
    cwd: '/',
    args: ['x'],
    env: ['A=1', 'NOTIFY_SOCKET=/run/notify/notify.sock', 'LISTEN_FDS=1', 'LISTEN_PID=1'],
  })
  t.same(mounts, [
    { destination: '/proc', type: 'proc' },
    {
      destination: '/run/notify',
      source: '/s/notify',
      options: ['bind', 'nosuid', 'noexec', 'nodev', 'ro'],
    },
  ])
})

t.test('a configuration without mounts or environment', async (t) => {
  const bare: Spec = { ociVersion: '1.2.0', process: { cwd: '/', args: ['x'] } }
  const { process, mounts } = withHandOver(bare, { ...NOTHING, notifyDirectory: '/n' })
  t.same(process?.env, ['NOTIFY_SOCKET=/run/notify/notify.sock'])
  t.equal(mounts?.length, 1)
  t.equal(withHandOver({ ociVersion: '1.2.0' }, NOTHING).process, undefined)
})
