/** A client of a Unix socket. */
import { readFileSync } from 'node:fs'
import { createConnection } from 'node:net'

/** `__SO_ACCEPTCON` in the flags of /proc/net/unix. */
const LISTENS = '00010000'

/** True once somebody accepts connections there: the file is there a moment before. */
export function isListening(path: string): boolean {
  return readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .some((line) => line.includes(` ${LISTENS} `) && line.endsWith(` ${path}`))
}

/** Connects, says `words`, and reads to the end. */
export function converse(path: string, words: string): Promise<string> {
  return new Promise((done, failed) => {
    let text = ''
    const connection = createConnection(path)
    connection.on('error', failed)
    connection.on('data', (data) => {
      text += data
    })
    connection.on('end', () => done(text))
    // even nothing cannot be written to who has said all and gone
    if (words !== '') connection.write(words)
  })
}
