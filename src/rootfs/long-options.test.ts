import t from 'tap'
import { fitsConfig, spreadLayers } from './long-options.ts'

t.test('fitsConfig() measures values in bytes', async (t) => {
  t.ok(fitsConfig('x'.repeat(255), [`lowerdir=${'y'.repeat(255)}`]))
  t.notOk(fitsConfig('x'.repeat(256), []))
  t.notOk(fitsConfig('x', [`lowerdir=${'ä'.repeat(128)}`]))
})

t.test('spreadLayers() makes one option a layer', async (t) => {
  t.same(spreadLayers(['lowerdir=/a:/b\\:c:/d\\\\e', 'upperdir=/u:1', 'index=off']), [
    'lowerdir+=/a',
    'lowerdir+=/b:c',
    'lowerdir+=/d\\e',
    'upperdir=/u:1',
    'index=off',
  ])
  t.same(spreadLayers(['lowerdir=/a:/b::/data1::/data2']), [
    'lowerdir+=/a',
    'lowerdir+=/b',
    'datadir+=/data1',
    'datadir+=/data2',
  ])
})
