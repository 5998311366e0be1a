/** What this build is. The build passes the two constants with `--define`; from source both are absent. */
declare const TSRUN_COMMIT: string | undefined
declare const TSRUN_KOFFI: string | undefined

/** The version of tsrun. */
export const VERSION = '0.1.0'
/** The version of the runtime specification that is implemented. */
export const SPEC_VERSION = '1.3.0'
/** The commit built, `undefined` when unknown. */
export const COMMIT = typeof TSRUN_COMMIT === 'string' ? TSRUN_COMMIT : undefined

/**
 * The text of `--version`. Clients read the prefixes `runc version `, `commit: ` and `spec: `;
 * lines whose value is unknown are left out.
 */
export function versionText(): string {
  const koffi = typeof TSRUN_KOFFI === 'string' ? TSRUN_KOFFI : undefined
  const line = (name: string, value: string | undefined) => (value ? `${name}: ${value}\n` : '')
  return [
    `runc version ${VERSION}\n`,
    line('commit', COMMIT),
    line('spec', SPEC_VERSION),
    line('bun', process.versions.bun),
    line('koffi', koffi),
  ].join('')
}
