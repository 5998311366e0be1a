/** For tests only: a tree that looks like a resctrl file system. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'

/** Files of a host with two L3 caches and all that can be controlled and monitored. */
const WHOLE = {
  tasks: '1\n',
  schemata: '    L3:0=fffff;1=fffff\n    MB:0=100;1=100\n',
  mon_groups: {},
  mon_data: {},
  info: {
    last_cmd_status: 'ok\n',
    L3: { cbm_mask: 'fffff\n', min_cbm_bits: '2\n', num_closids: '16\n' },
    MB: { bandwidth_gran: '10\n', delay_linear: '1\n', min_bandwidth: '10\n', num_closids: '8\n' },
    L3_MON: { mon_features: 'llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n' },
  },
}

export interface FakeResctrl {
  readonly root: string
  has(path: string): boolean
  read(path: string): string
  /** Writes a file, and makes the directories above it. */
  write(path: string, content: string): void
}

/** Makes a tree that `openResctrl` takes for the host's until the test ends. */
export function fakeResctrl(t: Test, files: Parameters<Test['testdir']>[0] = WHOLE): FakeResctrl {
  const root = t.testdir(files)
  process.env.RESCTRL_TEST_ROOT = root
  t.teardown(() => {
    delete process.env.RESCTRL_TEST_ROOT
  })
  return {
    root,
    has: (path) => existsSync(join(root, path)),
    read: (path) => readFileSync(join(root, path), 'utf8'),
    write: (path, content) => {
      mkdirSync(join(root, path, '..'), { recursive: true })
      writeFileSync(join(root, path), content)
    },
  }
}
