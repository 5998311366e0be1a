import { constants } from 'node:os'
import t from 'tap'
import { E, errnoName, errnoText } from './errno.ts'

t.test('errnoName() agrees with the constants of the platform', async (t) => {
  // names that stand for the number of another, or are not in the platform's list
  const aliases = ['EWOULDBLOCK', 'ENOTSUP', 'EDEADLOCK']
  for (const [name, number] of Object.entries(constants.errno)) {
    if (!aliases.includes(name)) t.equal(errnoName(number), name)
  }
  t.equal(errnoName(999), 'E999')
})

t.test('E has the numbers of the platform', async (t) => {
  const known = constants.errno as Record<string, number>
  for (const [name, number] of Object.entries(E)) t.equal(known[`E${name}`], number, name)
})

t.test('errnoText() gives the words that clients match', async (t) => {
  t.equal(errnoText(E.NOENT), 'no such file or directory')
  t.equal(errnoText(E.ACCES), 'permission denied')
  t.equal(errnoText(E.PERM), 'operation not permitted')
  t.equal(errnoText(E.BUSY), 'device or resource busy')
  t.equal(errnoText(E.ISDIR), 'is a directory')
  t.equal(errnoText(E.NOTDIR), 'not a directory')
  t.equal(errnoText(E.SRCH), 'no such process')
  t.equal(errnoText(999), 'unknown error 999')
})
