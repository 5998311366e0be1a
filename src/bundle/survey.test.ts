import t from 'tap'
import { surveySpec } from './survey.ts'

t.test('surveySpec() finds every violation of the schema', async (t) => {
  const text = '{"ociVersion": 1,\n "root": {}, "hostname": 5}'
  const { spec, problems, positionOf } = await surveySpec(text, 'config.json')
  t.equal(spec, undefined)
  t.same(
    problems.map(({ pointer }) => `${pointer} ${positionOf(pointer)}`),
    ['/ociVersion config.json:1:16', '/root config.json:2:10', '/hostname config.json:2:26'],
  )
})

t.test('surveySpec() reports a syntax error alone, at its place', async (t) => {
  const { problems, positionOf } = await surveySpec('{\n "a" 1}', 'config.json')
  t.match(problems, [{ severity: 'error', message: 'syntax error: colon expected' }])
  t.equal(positionOf(''), 'config.json:2:6')
})

t.test('surveySpec() reports numbers out of range', async (t) => {
  const text =
    '{"ociVersion": "1.0.0", "linux": {"resources": {"pids": {"limit": 9223372036854775808}}}}'
  const { problems } = await surveySpec(text, 'config.json')
  t.match(problems, [{ pointer: '/linux/resources/pids/limit' }])
})

t.test('surveySpec() warns of names that are repeated, unknown or misspelt', async (t) => {
  const text = `{"ociVersion": "1.0.2-dev", "Hostname": "a", "mounts": [{"destination": "/", "dest": 1}],
    "annotations": {"Any": "a", "Any": "b"}, "linux": {"rdma": {}, "RESOURCES": {"cpus": 1}}}`
  const { spec, problems } = await surveySpec(text, 'config.json')
  t.equal(spec?.hostname, 'a')
  t.same(
    problems.map(({ severity, pointer }) => `${severity} ${pointer}`),
    [
      'warning /Hostname',
      'warning /mounts/0/dest',
      'warning /annotations/Any',
      'warning /linux/rdma',
      'warning /linux/RESOURCES',
      'warning /linux/RESOURCES/cpus',
    ],
  )
})

t.test('surveySpec() judges the version', async (t) => {
  const messagesOf = async (version: string) =>
    (await surveySpec(`{${version}}`, 'config.json')).problems.map(({ message }) => message)
  t.same(await messagesOf('"ociVersion": "1.3.0+dev"'), [])
  t.match(await messagesOf('"ociVersion": "banana"'), [/not a semantic version/])
  t.match(await messagesOf('"ociVersion": "1.02.0"'), [/not a semantic version/])
  t.match(await messagesOf('"ociVersion": "2.0.0"'), [/another major version/])
  t.match(await messagesOf(''), [/found no "ociVersion"/])
})
