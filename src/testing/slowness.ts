/** How much longer than usual things may take on this machine. */

/** `$TSRUN_TEST_SLOW`, a number from 1 for machines without hardware virtualization; else 1. */
export function slowness(): number {
  return Math.max(1, Number(process.env.TSRUN_TEST_SLOW ?? 1))
}
