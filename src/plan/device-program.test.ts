import t from 'tap'
import { foldDeviceRules } from './device-policy.ts'
import { deviceProgram } from './device-program.ts'
import { type DeviceRule, planDeviceRules } from './device-rules.ts'
import {
  type DeviceRequest,
  evaluate,
  everyRequest,
  randomNumbers,
  randomRules,
  rule,
} from './device-testing.ts'

const MASK_32 = 0xffffffffn

interface Instruction {
  readonly opcode: number
  readonly target: number
  readonly source: number
  readonly offset: number
  readonly immediate: bigint
}

function decode(program: Uint8Array): Instruction[] {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength)
  return Array.from({ length: program.length / 8 }, (_, i) => ({
    opcode: view.getUint8(8 * i),
    target: view.getUint8(8 * i + 1) & 15,
    source: view.getUint8(8 * i + 1) >> 4,
    offset: view.getInt16(8 * i + 2, true),
    immediate: BigInt(view.getInt32(8 * i + 4, true)),
  }))
}

/**
 * Carries out a decoded program as the kernel does: registers of 64 bits, those of 32-bit
 * operations cleared above, immediates sign-extended.
 *
 * @param context - the 32-bit words of struct bpf_cgroup_dev_ctx
 * @returns the number in register 0
 */
function interpret(code: readonly Instruction[], context: readonly number[]): bigint {
  const registers: bigint[] = [0n, 0xffff800012345678n]
  const read = (register: number): bigint => {
    const value = registers[register]
    if (value === undefined) throw new Error(`register ${register} is not initialized`)
    return value
  }
  for (let at = 0; at < code.length; at++) {
    const instruction = code[at] as Instruction
    const { opcode, target, source, offset, immediate } = instruction
    const set = (value: bigint): void => {
      registers[target] = BigInt.asUintN(64, value)
    }
    switch (opcode) {
      case 0x18:
        at++
        set(((code[at] as Instruction).immediate << 32n) | (immediate & MASK_32))
        break
      case 0x61:
        if (source !== 1) throw new Error('not from the context')
        set(BigInt(context[offset / 4] as number))
        break
      case 0xbc:
        set(read(source) & MASK_32)
        break
      case 0x54:
        set(read(target) & immediate & MASK_32)
        break
      case 0x74:
        set((read(target) & MASK_32) >> immediate)
        break
      case 0xbf:
        set(read(source))
        break
      case 0xb7:
        set(immediate)
        break
      case 0x67:
        set(read(target) << immediate)
        break
      case 0x4f:
        set(read(target) | read(source))
        break
      case 0x5d:
        if (read(target) !== read(source)) at += offset
        break
      case 0x55:
        if (read(target) !== BigInt.asUintN(64, immediate)) at += offset
        break
      case 0x45:
        if ((read(target) & BigInt.asUintN(64, immediate)) !== 0n) at += offset
        break
      case 0x95:
        return read(0)
      default:
        throw new Error(`unknown opcode 0x${opcode.toString(16)}`)
    }
  }
  throw new Error('ran over the end')
}

function verdict(code: readonly Instruction[], request: DeviceRequest): boolean {
  const { type, major, minor, access } = request
  const result = interpret(code, [(access << 16) | (type === 'b' ? 1 : 2), major, minor])
  if (result !== 0n && result !== 1n) throw new Error(`result ${result}`)
  return result === 1n
}

function compiled(rules: readonly DeviceRule[]): Instruction[] {
  return decode(deviceProgram(foldDeviceRules(rules)))
}

t.test('a program decides as its rules do', async (t) => {
  const random = randomNumbers(11)
  const requests = everyRequest()
  for (let i = 0; i < 2000; i++) {
    const rules = randomRules(random)
    const code = compiled(rules)
    const wrong = requests.filter((request) => verdict(code, request) !== evaluate(rules, request))
    if (wrong.length > 0) t.same([rules, wrong], [])
  }
  t.pass('2000 lists of rules')
})

t.test('a program keeps large numbers apart', async (t) => {
  const [MAJOR, MINOR] = [4095, 1048575]
  const texts = [
    `allow c ${MAJOR}:${MINOR} r`,
    `allow b ${MAJOR}:* w`,
    `allow b *:${MINOR} r`,
    `allow c 0:0 m`,
    // no device has these; modulo the kernel's limits they would be 0:0, 0:1 and 1:0
    'allow c 4096:0 rwm',
    'allow b 0:1048576 rwm',
    'allow b 4294967294:* rwm',
    'allow b *:16777216 rwm',
  ]
  const rules = texts.map(rule)
  const code = compiled(rules)
  for (const type of ['b', 'c'] as const) {
    for (const major of [0, 1, MAJOR - 1, MAJOR]) {
      for (const minor of [0, 1, MINOR - 1, MINOR]) {
        for (let access = 1; access < 8; access++) {
          const request = { type, major, minor, access }
          if (verdict(code, request) !== evaluate(rules, request)) t.fail(JSON.stringify(request))
        }
      }
    }
  }
  t.pass('all the same')
})

t.test('a program with hundreds of rules is small enough for every kernel', async (t) => {
  const random = randomNumbers(5)
  const rules = Array.from({ length: 600 }, () =>
    rule(`allow ${'bc'.charAt(random(2))} ${random(4096)}:${random(1048576)} rw`),
  )
  const code = compiled(rules)
  t.ok(code.length <= 4096, `${code.length} instructions`)
  for (const { type, major, minor } of rules) {
    const device = { type: type as 'b' | 'c', major, minor }
    t.ok(verdict(code, { ...device, access: 6 }))
    t.notOk(verdict(code, { ...device, access: 7 }))
  }
})

t.test('the program of an ordinary container', async (t) => {
  const code = compiled(planDeviceRules({ ociVersion: '1.0.0' }))
  const may = (type: 'b' | 'c', major: number, minor: number, access: number): boolean =>
    verdict(code, { type, major, minor, access })
  t.ok(may('c', 1, 3, 6), '/dev/null')
  t.ok(may('c', 136, 77, 6), 'a terminal')
  t.ok(may('b', 8, 0, 1), 'mknod of a disk')
  t.notOk(may('b', 8, 0, 2), 'reading a disk')
  t.notOk(may('c', 1, 1, 2), '/dev/mem')
  t.equal(interpret(code, [2 << 16, 1, 3]), 0n, 'no type at all')
})
