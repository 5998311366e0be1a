/**
 * In the guest: runs bundled test files on Node.js, as many at once as there are processors, and
 * prints one TAP document, as tap would: `node run-tests.js FILE...`.
 */

import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** For one file; below the time that the whole machine has, so that a file that hangs is named. */
const LIMIT_SECONDS = 600

interface FileResult {
  readonly isGood: boolean
  /** Its TAP. */
  readonly text: string
  readonly ms: number
}

function runFile(file: string): Promise<FileResult> {
  const start = performance.now()
  const child = spawn(process.execPath, [file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TAP_TIMEOUT: String(LIMIT_SECONDS) },
    timeout: LIMIT_SECONDS * 1000,
    killSignal: 'SIGKILL',
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      resolve({ isGood: code === 0, text, ms: Math.round(performance.now() - start) })
    })
  })
}

function indent(text: string): string {
  return text.trimEnd().replace(/^(?=.)/gm, '    ')
}

async function main(files: readonly string[]): Promise<void> {
  const queue = [...files]
  let [count, failures] = [0, 0]
  async function work(): Promise<void> {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const { isGood, text, ms } = await runFile(file)
      const title = file.replace(/\.js$/, '.ts')
      if (!isGood) failures += 1
      console.log(`# Subtest: ${title}\n${indent(text)}`)
      console.log(`${isGood ? 'ok' : 'not ok'} ${++count} - ${title} # time=${ms}ms`)
    }
  }
  console.log('TAP version 14')
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  console.log(`1..${count}`)
  process.exitCode = failures === 0 ? 0 : 1
}

await main(process.argv.slice(2))
