import t from 'tap'
import { agrees, formatLine, parseSchemata } from './schemata.ts'

t.test(
  'parseSchemata() reads what the kernel writes, and formatLine() writes it back',
  async (t) => {
    const found = parseSchemata('    L3:0=0000f;1=FFFFF\n    MB:0=100;1= 20\nnonsense\n')
    const lines = [...found].map(([resource, domains]) => formatLine(resource, domains))
    t.strictSame(lines, ['L3:0=f;1=fffff', 'MB:0=100;1=20'])
  },
)

const CURRENT = '    L3:0=000ff;1=fffff\n    MB:0= 20;1=100\nL2:0=0\n'
const CASES: readonly (readonly [line: string, expected: boolean, why: string])[] = [
  ['L3:0=ff;1=fffff', true, 'leading zeros'],
  ['L3:1=0xFFFFF', true, 'a part; another form'],
  ['L3: 1 = fffff ;0=ff', true, 'another order, blanks'],
  ['L2:0=0', true, 'zero'],
  ['L2:0=', false, 'no value'],
  ['L3:0=f', false, 'another value'],
  ['L3:2=ff', false, 'another domain'],
  ['L3CODE:0=ff', false, 'another resource'],
  ['MB:0=20', true, 'the same'],
  ['MB:0=11;1=100', true, 'rounded up by the kernel'],
  ['MB:0=10', false, 'less'],
  ['MB:0=21', false, 'more'],
  ['L3:0=f5', false, 'no rounding of masks'],
  ['', false, 'nothing'],
  ['L3', false, 'no line'],
  ['L3:', false, 'no domain'],
]

t.test('agrees() compares by meaning (M-104)', async (t) => {
  const current = parseSchemata(CURRENT)
  for (const [line, expected, why] of CASES) t.equal(agrees(line, current, 10), expected, why)
})
