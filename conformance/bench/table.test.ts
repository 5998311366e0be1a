import t from 'tap'
import { cell, textTable } from './table.ts'

t.test('textTable() aligns names left and numbers right', async (t) => {
  const rows = [
    ['', 'runc', 'tsrun'],
    ['run', '17.50', '8.61'],
    ['--version', '-', '4.20'],
  ]
  t.equal(
    textTable(rows),
    ['            runc  tsrun', 'run        17.50   8.61', '--version      -   4.20', ''].join(
      '\n',
    ),
  )
})

t.test('cell() shows what is missing as a dash', async (t) => {
  t.equal(cell(undefined), '-')
  t.equal(cell(2), '2.00')
  t.equal(cell(2100.4, 0), '2100')
})
