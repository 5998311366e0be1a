import t from 'tap'
import { SpecError } from '../base/errors.ts'
import { loadProcess, loadResources, loadSpec } from './load.ts'

/** Message and position of the error that loading a text ends in. */
async function failureOf(text: string): Promise<{ message: string; position: string | undefined }> {
  try {
    await loadSpec(text, 'config.json')
  } catch (error) {
    if (error instanceof SpecError) return { message: error.message, position: error.position }
    throw error
  }
  throw new Error(`accepted: ${text.slice(0, 100)}`)
}

t.test('loadSpec() spells known names as the specification does', async (t) => {
  const text = `{"HostName": "a", "LINUX": {"Resources": {"CPU": {"Cpus": "1"}},
    "sysctl": {"Net.X": "1"}, "NetDevices": {"Eth0": {"NAME": "e"}},
    "seccomp": {"syscalls": [{"Names": ["read"], "ACTION": "SCMP_ACT_ALLOW"}]}}}`
  t.same(await loadSpec(text, 'f'), {
    hostname: 'a',
    linux: {
      resources: { cpu: { cpus: '1' } },
      sysctl: { 'Net.X': '1' },
      netDevices: { Eth0: { name: 'e' } },
      seccomp: { syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }] },
    },
  })
})

t.test('loadSpec() prefers exact names, then the last of others', async (t) => {
  const exact = await loadSpec('{"hostname": "a", "hostname": "b", "HOSTNAME": "c"}', 'f')
  t.equal(exact.hostname, 'b')
  const folded = await loadSpec('{"HOSTNAME": "a", "Hostname": "b"}', 'f')
  t.equal(folded.hostname, 'b')
  const other = await loadSpec('{"hostname": null, "HOSTNAME": "c"}', 'f')
  t.equal(other.hostname, 'c')
})

t.test('loadSpec() takes null for absent, but not in free-form maps', async (t) => {
  const text =
    '{"hooks": null, "linux": {"timeOffsets": null, "namespaces": null, "unknown": null}}'
  t.same(await loadSpec(text, 'f'), { linux: { unknown: null } })
  t.match(await failureOf('{"annotations": {"a": null}}'), {
    message: 'annotations.a: found null, allowed: string',
  })
})

t.test('loadSpec() ignores what follows the first value', async (t) => {
  t.same(await loadSpec('{"hostname": "a"} {"hostname": "b"}', 'f'), { hostname: 'a' })
  t.same(await loadSpec('{"hostname": "a"}\n// end', 'f'), { hostname: 'a' })
})

t.test('loadSpec() gives the place of a syntax error', async (t) => {
  t.same(await failureOf('{\n "a": 1,\n "b" 2}'), {
    message: 'syntax error: colon expected',
    position: 'config.json:3:6',
  })
  t.match(await failureOf('{"a": 1,}'), { position: 'config.json:1:9' })
  t.match(await failureOf('{"a": "x\ny"}'), { position: /^config\.json:1:/ })
  t.match(await failureOf('{"a": 01}'), { position: /^config\.json:1:/ })
  t.match(await failureOf(' \n'), { message: 'syntax error: the file is empty' })
  t.match(await failureOf('\uFEFF{}'), { message: 'syntax error: byte order mark' })
  t.match(await failureOf('{"a": '), { message: /^syntax error: / })
})

t.test('loadSpec() says what was found, where, and what is allowed', async (t) => {
  for (const [text, message, position] of [
    ['null', 'config cannot be null', '1:1'],
    ['[]', 'config.json: found an empty array, allowed: object', '1:1'],
    [
      '{"mounts": [\n{"Destination": 5}]}',
      'mounts[0].destination: found number 5, allowed: string',
      '2:17',
    ],
    ['{"mounts":\n [{}]}', 'mounts[0]: found no "destination", which is required', '2:3'],
    ['{"a": "é😀", "hostname": 1}', 'hostname: found number 1, allowed: string', '1:25'],
    [
      '{"linux": {"sysctl": {"net.x": 1}}}',
      'linux.sysctl["net.x"]: found number 1, allowed: string',
      '1:32',
    ],
    [
      '{"process": {"user": {"uid": 4294967296}}}',
      'process.user.uid: found number 4294967296, allowed: at most 4294967295',
      '1:30',
    ],
    [
      '{"hooks": {"prestart": [{"path": "/x", "timeout": 0}]}}',
      'hooks.prestart[0].timeout: found number 0, allowed: at least 1',
      '1:51',
    ],
  ] as const) {
    t.same(await failureOf(text), { message, position: `config.json:${position}` })
  }
})

t.test('loadSpec() keeps 64-bit numbers exact', async (t) => {
  const memory = async (limit: string) =>
    (await loadSpec(`{"linux": {"resources": {"memory": {"LIMIT": ${limit}}}}}`, 'f')).linux
      ?.resources?.memory?.limit
  t.equal(await memory('9223372036854775807'), 9223372036854775807n)
  t.equal(await memory('-9223372036854775808'), -9223372036854775808n)
  t.equal(await memory('9007199254740993'), 9007199254740993n)
  t.equal(await memory('9007199254740991'), 9007199254740991)
  t.equal(await memory('1.2e17'), 120000000000000000n)
  t.equal(await memory('1024'), 1024)
  const spec = await loadSpec(
    '{"process":{"rlimits":[{"type":"RLIMIT_CPU","hard":18446744073709551615,"soft":1}]}}',
    'f',
  )
  t.same(spec.process?.rlimits, [{ type: 'RLIMIT_CPU', hard: 18446744073709551615n, soft: 1 }])
  for (const limit of [
    '9223372036854775808',
    '-9223372036854775809',
    '9.223372036854776e18',
    '1e400',
  ]) {
    await t.rejects(memory(limit), { name: 'SpecError', pointer: '/linux/resources/memory/limit' })
  }
})

t.test('loadSpec() takes the number of the property that counts', async (t) => {
  const text = `{"linux": {"resources": {"memory":
    {"limit": 1, "LIMIT": 9007199254740993, "swap": 9007199254740995, "swap": 9007199254740997}}}}`
  t.same((await loadSpec(text, 'f')).linux?.resources?.memory, {
    limit: 1,
    LIMIT: 9007199254740992,
    swap: 9007199254740997n,
  })
})

t.test('loadSpec() is not misled by names of Object.prototype', async (t) => {
  const text = '{"__proto__": {"hostname": 5}, "constructor": 1, "linux": {"toString": 2}}'
  const spec = await loadSpec(text, 'f')
  t.equal(spec.hostname, undefined)
  t.equal(Object.getPrototypeOf(spec), Object.prototype)
})

t.test('loadSpec() refuses what is too large or too deep', async (t) => {
  const deep = `{"a": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`
  t.match(await failureOf(deep), { message: /nested more than 10000 deep/ })
  t.match(await failureOf('['.repeat(100_000)), { message: /nested more than 10000 deep/ })
  t.match(await failureOf(`"${'x'.repeat(50 << 20)}"`), { message: /found 52428802 characters/ })
  const wide = `{"a": [${'[],'.repeat(20_000)}[]], "hostname": "x"}`
  t.equal((await loadSpec(wide, 'f')).hostname, 'x')
  const inText = `{"a": ["${'['.repeat(30_000)}\\"]"], "hostname": "x"}`
  t.equal((await loadSpec(inText, 'f')).hostname, 'x')
})

t.test('loadProcess() and loadResources() read their part of the specification', async (t) => {
  t.same(await loadProcess('{"CWD": "/", "args": ["a"]}', 'process.json'), {
    cwd: '/',
    args: ['a'],
  })
  t.same(await loadProcess('null', 'process.json'), {})
  await t.rejects(loadProcess('{"args": [1]}', 'process.json'), {
    message: 'args[0]: found number 1, allowed: string',
    position: 'process.json:1:11',
  })
  t.same(await loadResources('{"CPU": {"Cpus": "1"}}', 'r.json'), { cpu: { cpus: '1' } })
  await t.rejects(loadResources('{"pids": {"limit": "x"}}', 'r.json'), {
    name: 'SpecError',
    pointer: '/pids/limit',
  })
})
