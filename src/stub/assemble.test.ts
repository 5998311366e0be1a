import t from 'tap'
import { assemble } from './assemble.ts'
import {
  add,
  address,
  branchIf,
  call,
  constant,
  data,
  type Instruction,
  jump,
  label,
  load,
  loadByte,
  type Machine,
  move,
  RETURN,
  store,
  storeByte,
  TRAP,
} from './instructions.ts'

function hex(machine: Machine, program: readonly Instruction[]): string {
  return Buffer.from(assemble(machine, program, 0x400000).code).toString('hex')
}

/** aarch64 code is written as words; this gives their bytes. */
function wordsHex(...words: number[]): string {
  const bytes = Buffer.alloc(4 * words.length)
  for (const [i, word] of words.entries()) bytes.writeUInt32LE(word, 4 * i)
  return bytes.toString('hex')
}

/** What GNU as and llvm-mc make of the same operations. */
const EXPECTED: readonly (readonly [string, Instruction, string, readonly number[]])[] = [
  ['constant', constant('nr', 39), 'b827000000', [0xd28004e8]],
  ['zero', constant('a3', 0), '4531d2', [0xd2800003]],
  ['negative constant', constant('v1', -100), '48c7c59cffffff', [0x92800c74]],
  ['long constant', constant('a3', 0x411000), '41ba00104100', [0xd2820003, 0xf2a00823]],
  ['move', move('v3', 'a0'), '4989fd', [0xaa0003f6]],
  ['get sp', { op: 'get-stack-pointer', to: 'v0' }, '4889e3', [0x910003f3]],
  ['set sp', { op: 'set-stack-pointer', from: 'v5' }, '4c89fc', [0x9100031f]],
  ['load', load('t0', 'v2', 8), '498b4c2408', [0xf94006a9]],
  ['store', store('a4', 'v0', 128), '4c898380000000', [0xf9004264]],
  ['load byte', loadByte('t1', 'v1'), '4c0fb65d00', [0x3940028a]],
  ['store byte', storeByte('t1', 'a0'), '4c885f00', [0x3900000a]],
  ['add', add('a1', 1), '4883c601', [0x91000421]],
  ['add more', add('v0', 1000), '4881c3e8030000', [0x910fa273]],
  ['add less', add('v4', -1), '4983c6ff', [0xd10006f7]],
  ['add register', { op: 'add-register', to: 'v0', from: 'a1' }, '4801f3', [0x8b010273]],
  ['subtract', { op: 'subtract-register', to: 'a5', from: 'v5' }, '4d29f9', [0xcb1800a5]],
  ['and -16', { op: 'and', to: 'v5', mask: -16 }, '4983e7f0', [0x927cef18]],
  ['and 15', { op: 'and', to: 't0', mask: 15 }, '4883e10f', [0x92400d29]],
  ['shift', { op: 'shift-left', to: 'v3', by: 3 }, '49c1e503', [0xd37df2d6]],
  ['rotate', { op: 'rotate-left', to: 'v0', by: 4 }, '48c1c304', [0x93d3f273]],
  ['compare', { op: 'compare', left: 'v1', value: -4095 }, '4881fd01f0ffff', [0xb13ffe9f]],
  ['compare 0', { op: 'compare', left: 't0', value: 0 }, '4883f900', [0xf100013f]],
  ['registers', { op: 'compare-registers', left: 't0', right: 't1' }, '4c39d9', [0xeb0a013f]],
  ['return', RETURN, 'c3', [0xd65f03c0]],
  ['system call', { op: 'system-call' }, '0f05', [0xd4000001]],
  ['trap', TRAP, '0f0b', [0xd4200000]],
]

t.test('assemble() encodes each operation', async (t) => {
  for (const [name, instruction, x8664, aarch64] of EXPECTED) {
    t.equal(hex('x86-64', [instruction]), x8664, `${name}, x86-64`)
    t.equal(hex('aarch64', [instruction]), wordsHex(...aarch64), `${name}, aarch64`)
  }
})

t.test('assemble() resolves labels in both directions', async (t) => {
  const program = [
    label('start'),
    ...branchIf('nr', 'less', 0, 'end'),
    call('end'),
    address('a0', 'text'),
    jump('start'),
    label('end'),
    RETURN,
    label('text'),
    data(Uint8Array.of(1, 2, 3)),
  ]
  t.equal(hex('x86-64', program), '4883f8007c0ce807000000bf13004000ebeec3010203')
  const words = [0xf100011f, 0x5400008b, 0x94000003, 0x10000060, 0x17fffffc, 0xd65f03c0]
  t.equal(hex('aarch64', program), `${wordsHex(...words)}010203`)
})

t.test('assemble() uses long jumps where short ones do not reach', async (t) => {
  const far = [jump('end'), data(new Uint8Array(200)), label('end'), RETURN]
  t.ok(hex('x86-64', far).startsWith('e9c8000000'))
  const near = [jump('end'), data(new Uint8Array(100)), label('end'), RETURN]
  t.ok(hex('x86-64', near).startsWith('eb64'))
})

t.test('assemble() refuses what it cannot encode', async (t) => {
  t.throws(() => hex('x86-64', [jump('nowhere')]), /unknown label: nowhere/)
  t.throws(() => hex('aarch64', [add('a0', 4096)]), RangeError)
  t.throws(() => hex('aarch64', [load('a0', 'a1', 4)]), RangeError)
  t.throws(() => hex('x86-64', [constant('a0', 2 ** 40)]), RangeError)
})
