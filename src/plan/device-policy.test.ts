import t from 'tap'
import { accessLetters, accessTo, allowsEverything, foldDeviceRules } from './device-policy.ts'
import { planDeviceRules } from './device-rules.ts'
import { evaluate, everyRequest, randomNumbers, randomRules, rule } from './device-testing.ts'

function folded(...texts: string[]): string[] {
  return foldDeviceRules(texts.map(rule)).map(({ type, major, minor, access }) => {
    const words = [major, minor].map((n) => (n < 0 ? '*' : n)).join(':')
    return `${type} ${words} ${accessLetters(access)}`
  })
}

t.test('foldDeviceRules() starts from nothing allowed', async (t) => {
  t.same(folded(), ['c *:* ', 'b *:* '])
  t.same(folded('deny a *:* rwm'), ['c *:* ', 'b *:* '])
})

t.test('foldDeviceRules() goes bit by bit', async (t) => {
  t.same(folded('allow c 1:3 rwm', 'deny c 1:3 m'), ['c 1:3 rw', 'c *:* ', 'b *:* '])
  t.same(folded('allow c 1:* r', 'allow c 1:3 w'), ['c 1:3 rw', 'c 1:* r', 'c *:* ', 'b *:* '])
})

t.test('foldDeviceRules() forgets what later rules make void', async (t) => {
  t.same(folded('allow c 1:3 rw', 'allow b 8:* r', 'deny a *:* rwm'), ['c *:* ', 'b *:* '])
  t.same(folded('allow c 1:3 rwm', 'allow c 1:* rwm'), ['c 1:* rwm', 'c *:* ', 'b *:* '])
})

t.test('foldDeviceRules() keeps the device where a row and a column meet', async (t) => {
  t.same(folded('allow c 1:* rw', 'deny c *:3 rwm', 'allow c *:3 m'), [
    'c 1:3 m',
    'c 1:* rw',
    'c *:3 m',
    'c *:* ',
    'b *:* ',
  ])
})

t.test('foldDeviceRules() knows which rule an entry comes from', async (t) => {
  const rules = ['allow a *:* r', 'allow c 1:3 rw', 'allow c 1:3 w'].map(rule)
  t.same(
    foldDeviceRules(rules).map((entry) => entry.rule),
    [rules[1], rules[0], rules[0]],
  )
})

t.test('allowsEverything() takes only a policy that forbids nothing', async (t) => {
  const policy = (...texts: string[]) => foldDeviceRules(texts.map(rule))
  t.ok(allowsEverything(policy('allow a *:* rwm')))
  t.ok(allowsEverything(policy('allow c *:* rw', 'allow b *:* rwm', 'allow c *:* m')))
  t.notOk(allowsEverything(policy('allow c *:* rwm')))
  t.notOk(allowsEverything(policy('allow a *:* rwm', 'deny c 1:3 w')))
  t.notOk(allowsEverything(foldDeviceRules(planDeviceRules({ ociVersion: '1.0.0' }))))
})

t.test('a policy gives what its rules give one by one', async (t) => {
  const random = randomNumbers(7)
  const requests = everyRequest()
  for (let i = 0; i < 3000; i++) {
    const rules = randomRules(random)
    const policy = foldDeviceRules(rules)
    const wrong = requests.filter(
      (request) =>
        evaluate(rules, request) !==
        ((request.access & ~accessTo(policy, request.type, request.major, request.minor)) === 0),
    )
    if (wrong.length > 0) t.same([rules, wrong], [])
  }
  t.pass('3000 lists of rules')
})
