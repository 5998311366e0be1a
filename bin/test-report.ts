/** Reads what tap prints: counts the tests and shows a line a file, whole only where it failed. */

/** Numbers of tests; the assertions inside a test do not count one by one. */
export interface Counts {
  passed: number
  failed: number
  skipped: number
}

/** A test point of TAP at the first two levels: a file, or a test in it. */
const POINT = /^( {4})?(not )?ok \d+(?: - (.*))?$/
const DIRECTIVE = / # (SKIP|TODO)\b/i
/** A file's point is followed by what is known of a failure, indented by two. */
const DIAGNOSIS = /^ {2}/

/** The report of one run of tap: give it the lines in order, then call `end`. */
export class TestReport {
  readonly counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  readonly #print: (line: string) => void
  #file: Counts = { passed: 0, failed: 0, skipped: 0 }
  #lines: string[] = []
  #failing = false

  /** @param print - shows a line to the reader */
  constructor(print: (line: string) => void) {
    this.#print = print
  }

  /** Takes one line of TAP, without its newline. */
  line(line: string): void {
    if (this.#failing && DIAGNOSIS.test(line)) {
      this.#print(line)
      return
    }
    this.#failing = false
    const [point, indent, not, title = ''] = POINT.exec(line) ?? []
    if (point === undefined) {
      this.#lines.push(line)
    } else if (indent !== undefined) {
      this.#count(not !== undefined, title)
      this.#lines.push(line)
    } else {
      this.#endFile(not !== undefined, title)
    }
  }

  /**
   * Ends the report.
   *
   * @param exitCode - tap's own; a failure that no test showed counts as one
   */
  end(exitCode: number | null): Counts {
    if (this.#lines.some((line) => line.startsWith('Bail out!'))) this.#showLines()
    if (exitCode !== 0 && this.counts.failed === 0) {
      this.#print(`tap: exit code ${exitCode}`)
      this.counts.failed += 1
    }
    return this.counts
  }

  #count(failed: boolean, title: string): void {
    if (DIRECTIVE.test(title)) this.#file.skipped += 1
    else if (failed) this.#file.failed += 1
    else this.#file.passed += 1
  }

  #endFile(failed: boolean, title: string): void {
    const { passed, failed: failures, skipped } = this.#file
    const isEmpty = passed + failures + skipped === 0
    // it failed outside of its tests: it does not load, or hangs, or ends with an error
    const outside = failed && failures === 0 ? 1 : 0
    this.counts.passed += passed
    this.counts.failed += failures + outside
    this.counts.skipped += skipped + (isEmpty && !failed ? 1 : 0)
    const numbers = `${passed} passed${failed ? `, ${failures + outside} failed` : ''}`
    if (failed) this.#showLines()
    this.#print(
      `${failed ? 'not ok' : 'ok'} - ${title}: ${numbers}${skipped ? `, ${skipped} skipped` : ''}`,
    )
    this.#failing = failed
    this.#file = { passed: 0, failed: 0, skipped: 0 }
    this.#lines = []
  }

  #showLines(): void {
    for (const line of this.#lines) this.#print(line)
  }
}
