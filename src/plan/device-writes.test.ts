import t from 'tap'
import { accessBits } from './device-policy.ts'
import { type DeviceRule, planDeviceRules } from './device-rules.ts'
import {
  type DeviceRequest,
  evaluate,
  everyRequest,
  isAbout,
  randomNumbers,
  randomRules,
  rule,
} from './device-testing.ts'
import { type DeviceWrite, planDeviceWrites } from './device-writes.ts'

/** The device controller of cgroup v1: a default and a list of exceptions (device_cgroup.c). */
class Controller {
  isAllowing = true
  exceptions: DeviceRule[] = []

  write({ file, text }: Pick<DeviceWrite, 'file' | 'text'>): void {
    const allow = file === 'devices.allow'
    if (text.startsWith('a')) {
      this.isAllowing = allow
      this.exceptions = []
      return
    }
    const written = rule(`${allow ? 'allow' : 'deny'} ${text}`)
    if (!/^[bc] (\d+|\*):(\d+|\*) [rwm]+$/.test(text)) throw new Error(`not a rule: ${text}`)
    // only an exception of just these numbers is changed
    const same = this.exceptions.find(
      ({ type, major, minor }) =>
        type === written.type && major === written.major && minor === written.minor,
    )
    this.exceptions = this.exceptions.filter((other) => other !== same)
    const before = [...(same?.access ?? '')]
    const access = (
      allow === this.isAllowing
        ? before.filter((letter) => !written.access.includes(letter))
        : [...before, ...written.access]
    ).join('')
    if (access !== '') this.exceptions.push({ ...written, access })
  }

  allows(request: DeviceRequest): boolean {
    const about = this.exceptions.filter((exception) => isAbout(exception, request))
    return this.isAllowing
      ? about.every(({ access }) => (accessBits(access) & request.access) === 0)
      : about.some(({ access }) => (request.access & ~accessBits(access)) === 0)
  }
}

function writesOf(...texts: string[]): string[] {
  return planDeviceWrites(texts.map(rule)).map(
    ({ file, text }) => `${file.slice('devices.'.length)} ${text}`,
  )
}

t.test('planDeviceWrites() of an ordinary container', async (t) => {
  const rules = planDeviceRules({
    ociVersion: '1.0.0',
    linux: { resources: { devices: [{ allow: false, access: 'rwm' }] } },
  })
  const writes = planDeviceWrites(rules)
  t.equal(writes.length, 12, 'one for all, one for each default rule')
  t.same(writes[0], { file: 'devices.deny', text: 'a', rule: undefined })
  t.same(
    writes.slice(1).map(({ file }) => file),
    new Array(11).fill('devices.allow'),
  )
  t.same(
    writes.map(({ text }) => text).sort(),
    [
      'a',
      ...new Set(
        rules.slice(1).map(({ type, major, minor, access }) => {
          const words = [major, minor].map((n) => (n < 0 ? '*' : n)).join(':')
          return `${type} ${words} ${access}`
        }),
      ),
    ].sort(),
  )
})

t.test('planDeviceWrites() leaves out what others cover', async (t) => {
  t.same(writesOf('allow c 1:3 r', 'allow c 1:* rwm'), ['deny a', 'allow c 1:* rwm'])
  t.same(writesOf('allow c 1:3 rrrw'), ['deny a', 'allow c 1:3 rw'])
  t.same(writesOf('allow c 1:3 rw', 'deny c 1:3 rw'), ['deny a'])
})

t.test('planDeviceWrites() writes what the kernel would not put together', async (t) => {
  t.same(writesOf('allow c 1:* r', 'allow c 1:3 w'), ['deny a', 'allow c 1:* r', 'allow c 1:3 rw'])
})

t.test('planDeviceWrites() asks a parent for no more than the rules do', async (t) => {
  t.same(writesOf('allow c 10:229 r', 'allow c 1:3 rwm', 'allow c *:* m'), [
    'deny a',
    'allow c *:* m',
    'allow c 1:3 rwm',
    'allow c 10:229 r',
  ])
})

t.test('planDeviceWrites() of a list of what is denied', async (t) => {
  t.same(writesOf('allow a *:* rwm'), ['allow a'])
  t.same(writesOf('allow a *:* rwm', 'deny c 1:3 w'), ['allow a', 'deny c 1:3 w'])
  t.same(writesOf('allow c *:* rwm', 'allow b *:* rwm'), [
    'deny a',
    'allow c *:* rwm',
    'allow b *:* rwm',
  ])
})

t.test('planDeviceWrites() finds the list that can express the rules', async (t) => {
  t.same(writesOf('allow c *:* rwm', 'deny c 1:3 rwm'), [
    'allow a',
    'deny b *:* rwm',
    'deny c 1:3 rwm',
  ])
  t.same(writesOf('allow a *:* rwm', 'deny c *:* rw', 'allow c 1:3 r').sort(), [
    'allow b *:* rwm',
    'allow c *:* m',
    'allow c 1:3 r',
    'deny a',
  ])
})

t.test('planDeviceWrites() refuses a hole, and says where it is', async (t) => {
  const rules = ['allow c 1:* rw', 'deny c 1:3 w'].map((text, i) => ({
    ...rule(text),
    pointer: `/linux/resources/devices/${i}`,
  }))
  t.throws(() => planDeviceWrites(rules), {
    name: 'SpecError',
    message:
      'device rule "deny c 1:3 w" makes a hole in another one, which cgroup v1 cannot express',
    pointer: '/linux/resources/devices/1',
  })
})

t.test('planDeviceWrites() refuses a hole where a row and a column meet', async (t) => {
  // the column's exception would let 1:3 be written
  const texts = ['allow c *:3 rw', 'allow c 1:* r', 'deny c 1:3 w']
  t.throws(() => writesOf(...texts), { name: 'SpecError', message: /"deny c 1:3 w" makes a hole/ })
})

t.test('with the writes the kernel decides as the rules do', async (t) => {
  const random = randomNumbers(13)
  // the kernel asks for mknod alone
  const requests = everyRequest().filter(({ access }) => access === 1 || (access & 1) === 0)
  let refused = 0
  for (let i = 0; i < 3000; i++) {
    const rules = randomRules(random)
    const controller = new Controller()
    // what was there before is of no account
    for (const { allow, type, major, minor, access } of randomRules(random)) {
      controller.write({
        file: allow ? 'devices.allow' : 'devices.deny',
        text: `${type} ${major}:${minor} ${access}`.replaceAll('-1', '*'),
      })
    }
    let writes: DeviceWrite[]
    try {
      writes = planDeviceWrites(rules)
    } catch {
      refused++
      continue
    }
    for (const write of writes) controller.write(write)
    const wrong = requests.filter(
      (request) => controller.allows(request) !== evaluate(rules, request),
    )
    if (wrong.length > 0) t.same([rules, writes, wrong], [])
  }
  t.ok(refused > 100 && refused < 2000, `${refused} of 3000 lists have holes`)
})
