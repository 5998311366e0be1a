/** Writes src/stub/generated/: `bun bin/generate-stub.ts`, after a change of the stub's code. */

import { writeFileSync } from 'node:fs'
import { generateLastExec } from '../src/stub/generate.ts'

writeFileSync(new URL('../src/stub/generated/last-exec.ts', import.meta.url), generateLastExec())
