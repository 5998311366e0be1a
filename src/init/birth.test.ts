import t from 'tap'
import { CAP_SYS_ADMIN } from '../plan/capabilities.ts'
import { type ProcessPlan, planProcess } from '../plan/process-plan.ts'
import { RET } from '../plan/seccomp.ts'
import { NR, type SyscallName } from '../sys/numbers.ts'
import { isBornFiltered } from './birth.ts'
import { describeRow, type Launch, planRows } from './rows.ts'

/** A filter that allows all but `name`. */
function filterWithout(name: SyscallName, otherwise: number = RET.ERRNO): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(32))
  const instructions: [code: number, jt: number, jf: number, k: number][] = [
    [0x20, 0, 0, 0],
    [0x15, 0, 1, NR[name]],
    [0x06, 0, 0, otherwise],
    [0x06, 0, 0, RET.ALLOW],
  ]
  instructions.forEach(([code, jt, jf, k], i) => {
    bytes.setUint16(i * 8, code, true)
    bytes.setUint8(i * 8 + 2, jt)
    bytes.setUint8(i * 8 + 3, jf)
    bytes.setUint32(i * 8 + 4, k, true)
  })
  return new Uint8Array(bytes.buffer)
}

function planWith(change: {
  noNewPrivileges?: boolean
  terminal?: boolean
  capabilities?: string[]
  listenerPath?: string
}): ProcessPlan {
  const { noNewPrivileges = false, terminal = false, capabilities = [], listenerPath } = change
  const action = listenerPath === undefined ? 'SCMP_ACT_ERRNO' : 'SCMP_ACT_NOTIFY'
  const spec = {
    ociVersion: '1.3.0',
    linux: {
      seccomp: {
        defaultAction: 'SCMP_ACT_ALLOW' as const,
        ...(listenerPath !== undefined && { listenerPath }),
        syscalls: [{ names: ['mount'], action: action as 'SCMP_ACT_ERRNO' }],
      },
    },
  }
  const sets = { bounding: capabilities, effective: capabilities, permitted: capabilities }
  const process = { cwd: '/', args: ['x'], noNewPrivileges, terminal, capabilities: sets }
  return planProcess(process, spec, { lastCapability: 40 })
}

const OPEN = filterWithout('mount')

t.test('a process without rights of its own is born with its filter', async (t) => {
  t.equal(isBornFiltered(planWith({}), OPEN, true), true)
  t.equal(isBornFiltered(planWith({}), OPEN, false), true)
  t.equal(isBornFiltered(planWith({}), filterWithout('clone', RET.LOG), true), true)
})

t.test('one that can load it, and is allowed to, does', async (t) => {
  t.equal(isBornFiltered(planWith({ noNewPrivileges: true }), OPEN, true), false)
  t.equal(isBornFiltered(planWith({ capabilities: ['CAP_SYS_ADMIN'] }), OPEN, true), false)
})

t.test('a profile that does not let it be born', async (t) => {
  const calls = ['clone', 'setsid', 'capset', 'prctl', 'write', 'rt_sigaction'] as const
  for (const name of calls) {
    for (const action of [RET.ERRNO, RET.KILL_PROCESS, RET.USER_NOTIF, RET.TRACE]) {
      const program = filterWithout(name, action)
      t.equal(isBornFiltered(planWith({}), program, false), false, name)
      t.throws(() => isBornFiltered(planWith({}), program, true), { message: name })
    }
  }
  const terminal = filterWithout('ioctl')
  t.equal(isBornFiltered(planWith({ terminal: true }), terminal, false), false)
  t.equal(isBornFiltered(planWith({}), terminal, false), true, 'nor is it needed')
})

t.test('nobody is born with CAP_SYS_ADMIN but where that is said', async (t) => {
  const order = (plan: ProcessPlan, isBornFiltered: boolean): string[] => {
    const launch: Launch = { path: 'x', env: [], sync: 3, callerNofile: [1n, 1n], isBornFiltered }
    const filter = { program: OPEN, flags: 0 }
    const rows = planRows(plan, { ...launch, filter })
    const described = rows.map((_, i) => describeRow(plan, i, { isBornFiltered }).name)
    const told = rows.map(({ name }) => name)
    t.same(described, told, 'tsrun, which has no filter at hand, knows the same rows')
    return rows.map(({ nr, args, mode, dst }) => {
      if (dst) t.equal(rows[dst.row]?.nr, NR.close)
      if (nr === NR.seccomp) return 'load'
      if (mode === 'fork') return 'clone'
      const data = nr === NR.capset ? args[1] : undefined
      if (typeof data !== 'object' || !('bytes' in data)) return ''
      const isAdmin = ((data.bytes[4 + (CAP_SYS_ADMIN >> 3)] ?? 0) & (1 << (CAP_SYS_ADMIN & 7))) > 0
      return isAdmin ? 'admin' : 'capset'
    })
  }
  for (const listenerPath of [undefined, '/x']) {
    const more = listenerPath === undefined ? {} : { listenerPath }
    const names = (plan: ProcessPlan, isBornFiltered: boolean) =>
      order(plan, isBornFiltered).filter((name) => name !== '')
    t.same(names(planWith(more), true), ['admin', 'load', 'capset', 'clone'])
    t.same(names(planWith(more), false), ['admin', 'clone', 'load', 'capset'])
    const with_ = planWith({ ...more, noNewPrivileges: true })
    t.same(names(with_, false), ['capset', 'clone', 'load'])
  }
})
